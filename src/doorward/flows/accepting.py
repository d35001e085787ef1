"""Reading what somebody typed about an account: setup, administration and CLI accept the same (B-20 to B-24)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from doorward.errors import InputError
from doorward.flows.outcome import Unacceptable
from doorward.rules.names import parse_display_name, parse_email, parse_group_name, parse_user_name
from doorward.rules.password import PasswordPolicy, check_password, parse_password


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The password policy, and the list it asks: `is_common` takes lower case."""

    policy: PasswordPolicy
    is_common: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class AccountForm:
    """What an account is made of, canonical."""

    name: str
    display_name: str
    email: str
    groups: frozenset[str]
    password: str


def accept_account(
    *,
    name: str,
    display_name: str,
    email: str,
    groups: Iterable[str],
    password: str,
    rules: PasswordRules,
) -> AccountForm | Unacceptable:
    """Read every field and report every problem at once. An empty display name becomes the user name."""
    problems: list[tuple[str, str]] = []
    accepted_name = _read(name, parse_user_name, "name", problems)
    accepted_display = accepted_name
    if display_name:
        accepted_display = _read(display_name, parse_display_name, "display_name", problems)
    accepted_email = _read(email, parse_email, "email", problems) if email else ""
    accepted_groups = [_read(group, parse_group_name, "groups", problems) for group in groups]
    secret = accept_password(password, name=accepted_name, email=accepted_email, rules=rules)
    if isinstance(secret, Unacceptable):
        return Unacceptable((*problems, *secret.problems))
    if problems:
        return Unacceptable(tuple(problems))
    return AccountForm(accepted_name, accepted_display, accepted_email, frozenset(accepted_groups), secret)


def accept_password(password: str, *, name: str, email: str, rules: PasswordRules) -> str | Unacceptable:
    """Read a new password for the account of this name and e-mail address."""
    problems: list[tuple[str, str]] = []
    secret = _read(password, parse_password, "password", problems)
    if not problems:
        found = check_password(secret, rules.policy, name=name, email=email, is_common=rules.is_common)
        problems = [("password", problem) for problem in found]
    return Unacceptable(tuple(problems)) if problems else secret


def accept_groups(groups: Iterable[str]) -> frozenset[str] | Unacceptable:
    """Read group names."""
    problems: list[tuple[str, str]] = []
    accepted = [_read(group, parse_group_name, "groups", problems) for group in groups]
    return Unacceptable(tuple(problems)) if problems else frozenset(accepted)


def _read(text: str, parse: Callable[[str], str], field: str, problems: list[tuple[str, str]]) -> str:
    try:
        return parse(text)
    except InputError as error:
        problems.append((field, f"{str(error)[:1].upper()}{str(error)[1:]}."))
        return ""
