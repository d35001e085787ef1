"""What the API tells administrators about policy, mail and providers, as models."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from doorward.flows import post, providers
from doorward.flows.policies import PolicyView
from doorward.rules.letter import Letter
from doorward.rules.oidc import Finding
from doorward.rules.ways import PasswordWay
from doorward.web.api.answers import Answer, Owner

MfaWord = Literal["per_rule", "none", "admins", "all"]
RegistrationWord = Literal["first_user_then_locked", "closed", "invite", "open", "oidc_auto"]
SetBy = Literal["setting", "file"]
"""Whose word counts: the console's (and the command line's and this door's), or the configuration file's."""


class MfaPolicy(Answer):
    """Who needs a second factor."""

    required: MfaWord
    set_by: SetBy


class RegistrationPolicy(Answer):
    """Who may make an account."""

    mode: RegistrationWord
    set_by: SetBy


class PasswordPolicy(Answer):
    """Whether people sign in with passwords. `wanted`: as it is set; `open`: as it is, and `because`: why."""

    wanted: bool
    open: bool
    because: str
    set_by: SetBy


class Policy(Answer):
    """Policy for accounts. `unprotected`: the administrators who have no second factor."""

    mfa: MfaPolicy
    registration: RegistrationPolicy
    passwords: PasswordPolicy
    unprotected: tuple[Owner, ...]


class QueuedLetter(Answer):
    """A mail, never what it says. `to` is empty once it is done, as the address is forgotten.

    `user`: the id of the account it is about, null for none. `trouble`: what the server said last.
    """

    id: str
    kind: str
    state: Literal["waiting", "sent", "failed"]
    to: str
    user: str | None
    queued_at: datetime
    next_try_at: datetime | None
    done_at: datetime | None
    tries: int
    trouble: str


class QueuedLetters(Answer):
    """The mail of the last weeks, the newest first. `open`: whether mail is set up."""

    letters: tuple[QueuedLetter, ...]
    open: bool


class KnownProvider(Answer):
    """A provider. `from_file`: it stands in the configuration file, and cannot be changed here.

    `shadowed`: why it does not count; `trouble`: why it may not work now. Both are empty where all is well.
    """

    id: str
    name: str
    type: Literal["oidc", "google", "github"]
    issuer: str
    enabled: bool
    from_file: bool
    shadowed: str
    trouble: str


class KnownProviders(Answer):
    """The file's in its order, then the console's by name, then those that do not count."""

    providers: tuple[KnownProvider, ...]


class ProviderFinding(Answer):
    """One point of an examination."""

    title: str
    health: Literal["good", "unsure", "bad"]
    text: str
    advice: str


class ProviderFindings(Answer):
    """What could be found out without a person."""

    findings: tuple[ProviderFinding, ...]


def tell_passwords(way: PasswordWay) -> PasswordPolicy:
    """How it stands with passwords."""
    return PasswordPolicy(wanted=way.wanted, open=way.open, because=way.because, set_by=_set_by(way.set_by))


def tell_policy(view: PolicyView, way: PasswordWay) -> Policy:
    """How it stands."""
    return Policy(
        mfa=MfaPolicy(required=view.mfa.value, set_by=_set_by(view.mfa_set_by)),
        registration=RegistrationPolicy(mode=view.registration.value, set_by=_set_by(view.registration_set_by)),
        passwords=tell_passwords(way),
        unprotected=tuple(
            Owner(sub=user.id, name=user.name, display_name=user.display_name, email=user.email)
            for user in view.unprotected
        ),
    )


def tell_letter(letter: Letter, *, to: str) -> QueuedLetter:
    """A mail as administrators see it."""
    return QueuedLetter(
        id=letter.id,
        kind=letter.kind.value,
        state=letter.state.value,
        to=to,
        user=letter.user_id or None,
        queued_at=letter.queued_at,
        next_try_at=letter.next_try_at if letter.done_at is None else None,
        done_at=letter.done_at,
        tries=letter.tries,
        trouble=letter.trouble,
    )


def tell_letters(listed: list[post.Listed], *, is_open: bool) -> QueuedLetters:
    """All of them."""
    return QueuedLetters(letters=tuple(tell_letter(each.letter, to=each.to) for each in listed), open=is_open)


def tell_providers(listed: list[providers.Listed]) -> KnownProviders:
    """All of them, without secrets."""
    return KnownProviders(
        providers=tuple(
            KnownProvider(
                id=each.provider.id,
                name=each.provider.name,
                type=each.provider.kind.value,
                issuer=each.provider.issuer,
                enabled=each.provider.enabled,
                from_file=each.provider.from_file,
                shadowed=each.shadowed,
                trouble=each.trouble,
            )
            for each in listed
        )
    )


def tell_findings(findings: Sequence[Finding]) -> ProviderFindings:
    """What an examination found."""
    return ProviderFindings(
        findings=tuple(
            ProviderFinding(title=each.title, health=each.health.value, text=each.text, advice=each.advice)
            for each in findings
        )
    )


def _set_by(word: str) -> SetBy:
    return "setting" if word == "setting" else "file"
