"""What a restore does to what is not as it was, and how that is said."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Effect(Enum):
    """What a restore does to something that is not as it was."""

    OTHER_INSTALLATION = "other_installation"
    GOES = "goes"
    RETURNS_DISABLED = "returns_disabled"
    STAYS_DISABLED = "stays_disabled"
    STAYS_DEMOTED = "stays_demoted"
    OLDER_PASSWORD = "older_password"  # noqa: S105 -- a word
    PASSWORD_GOES = "password_goes"  # noqa: S105 -- a word
    OLDER_ADDRESS = "older_address"
    GROUPS_RETURN = "groups_return"
    WAYS_RETURN = "ways_return"
    FACTORS_GO = "factors_go"
    FACTORS_RETURN = "factors_return"
    CODES_STAY_USED = "codes_stay_used"
    INVITES_STAY_CLOSED = "invites_stay_closed"
    PROVIDERS_STAY_DISABLED = "providers_stay_disabled"
    KEYS_STAY_REVOKED = "keys_stay_revoked"
    KEYS_STAY_NARROW = "keys_stay_narrow"
    KEYS_GO = "keys_go"
    KEYS_RETURN = "keys_return"
    SETTINGS_STAY = "settings_stay"
    SECRETS_STAY = "secrets_stay"
    AUDIT_STAYS = "audit_stays"
    AUDIT_REPLACED = "audit_replaced"
    DAMAGED_RETURN = "damaged_return"
    DAMAGED_GO = "damaged_go"

    @property
    def meaning(self) -> str:
        """What it says to who restores."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    Effect.OTHER_INSTALLATION: "The backup is of another installation: everything here is replaced.",
    Effect.GOES: "Accounts that were made since are deleted.",
    Effect.RETURNS_DISABLED: "Accounts that were deleted since come back, disabled.",
    Effect.STAYS_DISABLED: "Accounts that were disabled since stay disabled.",
    Effect.STAYS_DEMOTED: "Accounts that lost administration since do not get it back.",
    Effect.OLDER_PASSWORD: "Accounts that changed their password since have the older one again, and must change it.",
    Effect.PASSWORD_GOES: "Accounts that were given their first password since have none again.",
    Effect.OLDER_ADDRESS: "Accounts whose mail address was changed since have the older one again.",
    Effect.GROUPS_RETURN: "Accounts that were taken out of groups since are in them again.",
    Effect.WAYS_RETURN: "Accounts that gave up a provider since can sign in with it again.",
    Effect.FACTORS_GO: "Accounts that added second factors since lose them.",
    Effect.FACTORS_RETURN: "Accounts that removed second factors since have them again.",
    Effect.CODES_STAY_USED: "Recovery codes that were used or replaced since stay used up.",
    Effect.INVITES_STAY_CLOSED: "Invitations that were used up, taken back or deleted since stay closed.",
    Effect.PROVIDERS_STAY_DISABLED: "Providers that were disabled since stay disabled.",
    Effect.KEYS_STAY_REVOKED: "Keys for apps that were revoked since stay revoked.",
    Effect.KEYS_STAY_NARROW: "Keys for apps that were changed since open what they opened then and open now, no more.",
    Effect.KEYS_GO: "Keys for apps that were made since are revoked.",
    Effect.KEYS_RETURN: "Keys for apps work again as they did, also those that were revoked since: look through them.",
    Effect.SETTINGS_STAY: "What is decided for everybody stays as it is now.",
    Effect.SECRETS_STAY: "Secrets that are shown to apps stay as they are now.",
    Effect.AUDIT_STAYS: "The audit log stays as it is now and goes on.",
    Effect.AUDIT_REPLACED: "The audit log here is replaced by that of the backup.",
    Effect.DAMAGED_RETURN: "Sealed values of the backup that do not open come back as they are, of no use to anybody.",
    Effect.DAMAGED_GO: "What is here, would stay and does not open any more is dropped.",
}


@dataclass(frozen=True, slots=True)
class Named:
    """An effect, and whom or what it is about."""

    effect: Effect
    names: tuple[str, ...] = ()
