"""Which ways of signing in are open: computed from what is true now, never a fact that is stored (docs/adr 0022)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from doorward.rules.identity import User
from doorward.rules.provider import Provider, ProviderId, check_beside, split_problem
from doorward.rules.upstream import Identity

PASSWORD_SETTING: Final = "sign_in.password"  # noqa: S105 -- the name of a setting
"""The console's and the command line's word on passwords; it stands above the file's."""
ASSERTED_SETTING: Final = "sign_in.asserted"
"""Which administrator came in by a proxy's word, and by which header (`name_witness`)."""
ON: Final = "on"
OFF: Final = "off"

ONLY: Final = "only"
LAST: Final = "last"


@dataclass(frozen=True, slots=True)
class PasswordWay:
    """Signing in with a local password: whether that is wanted, whether it is open, and why, in a sentence.

    `set_by`: "setting" for a word of the console or the command line, "file" for the configuration's.
    """

    wanted: bool
    open: bool
    because: str
    set_by: str


def decide_password(
    *,
    setting: str | None,
    in_file: bool,
    providers: Sequence[Provider],
    admin_through: bool,
    asserted: bool = False,
) -> PasswordWay:
    """Decide whether passwords are open (D-12, A-28).

    `providers`: the enabled ones. `admin_through`: whether an enabled administrator has signed in through one of them
    (`may_close`). `asserted`: whether a proxy's word counts; then an administrator who came by it will do
    (`is_witness`). Only with both can passwords be closed, so that there is always a way in. Any other word than `off`
    in the setting is read as `on`: what cannot be read closes nothing.
    """
    wanted = in_file if setting is None else setting != OFF
    set_by = "file" if setting is None else "setting"
    if wanted:
        return PasswordWay(wanted, open=True, because="Signing in with a password is switched on.", set_by=set_by)
    if not providers and not asserted:
        reason = "Switched off, but open: no provider is enabled, so there would be no way to sign in."
        return PasswordWay(wanted, open=True, because=reason, set_by=set_by)
    if not admin_through:
        reason = (
            "Switched off, but open: it closes as soon as an administrator has signed in through an enabled provider."
            if providers
            else "Switched off, but open: it closes as soon as an administrator has come in by the proxy's word."
        )
        return PasswordWay(wanted, open=True, because=reason, set_by=set_by)
    return PasswordWay(wanted, open=False, because="Signing in with a password is switched off.", set_by=set_by)


def may_close(user: User, identities: Iterable[Identity], providers: Iterable[Provider]) -> bool:
    """Whether this account shows that an administrator comes in without a password."""
    places = {(provider.id, provider.issuer) for provider in providers}
    return (
        user.enabled
        and user.administers
        # The provider's id, too: with another client it may know people by other subjects (pairwise subjects).
        and any(each.used_at is not None and (each.provider, each.issuer) in places for each in identities)
    )


def name_witness(header: str, user: User) -> str:
    """What is noted of an administrator who came in by a proxy's word, in this header."""
    return f"{header}:{user.id}"


def is_witness(user: User | None, header: str, noted: str | None) -> bool:
    """Whether this account is the one noted, and shows that an administrator comes in by this header."""
    return user is not None and user.enabled and user.administers and noted == name_witness(header, user)


def list_usable(identities: Iterable[Identity], providers: Iterable[Provider]) -> tuple[Provider, ...]:
    """Those of the providers at which somebody with these identities can be recognised."""
    issuers = {identity.issuer for identity in identities}
    return tuple(provider for provider in providers if provider.issuer in issuers)


def decide_straight(
    setting: str, *, password_open: bool, providers: Sequence[Provider], last: ProviderId | str = ""
) -> Provider | None:
    """Decide whether to go to a provider without asking (`authn.straight`), and to which.

    `last`: the one last used in this browser. Whether this visit is one that is never sent straight on (after a
    sign-out, after a failure) is the caller's to know.
    """
    if setting == OFF:
        return None
    if setting == ONLY:
        return providers[0] if len(providers) == 1 and not password_open else None
    wanted = last if setting == LAST else setting
    return next((provider for provider in providers if provider.id == wanted), None)


def merge(
    in_file: Iterable[Provider], stored: Iterable[Provider]
) -> tuple[tuple[Provider, ...], dict[ProviderId, str]]:
    """Put the providers of both sources together: the file's in its order, then the console's by name.

    What the file has counts: a provider of the console that cannot stand beside it is left out. The second part names
    those and says why.
    """
    merged = list(in_file)
    shadowed: dict[ProviderId, str] = {}
    ids = {provider.id for provider in merged}
    for provider in sorted(stored, key=lambda each: (each.name.casefold(), each.id)):
        if provider.id in ids:
            shadowed[provider.id] = "The configuration file has a provider of this name, which counts instead."
        elif problems := list(check_beside(provider, merged)):
            reasons = "; ".join(split_problem(problem)[1] for problem in problems)
            shadowed[provider.id] = f"It cannot stand beside the others: {reasons}."
        else:
            merged.append(provider)
    return tuple(merged), shadowed
