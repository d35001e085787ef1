"""Reading what somebody typed about an account: setup, administration and CLI accept the same (B-20 to B-24)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from doorward.errors import InputError
from doorward.flows.opening import HANDLE_SIZE, encode
from doorward.flows.outcome import Unacceptable
from doorward.interfaces import Random
from doorward.rules.identity import User, UserId
from doorward.rules.names import parse_display_name, parse_email, parse_group_name, parse_user_name, read_user_name
from doorward.rules.password import PasswordPolicy, check_password, parse_password


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The password policy, and the list it asks: `is_common` takes lower case."""

    policy: PasswordPolicy
    is_common: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class ProfileForm:
    """The names and the address of an account, canonical."""

    name: str
    display_name: str
    email: str


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
    profile = _read_profile(name, display_name, email, problems)
    accepted_groups = [_read(group, parse_group_name, "groups", problems) for group in groups]
    secret = accept_password(password, name=profile.name, email=profile.email, rules=rules)
    if isinstance(secret, Unacceptable):
        return Unacceptable((*problems, *secret.problems))
    if problems:
        return Unacceptable(tuple(problems))
    return AccountForm(profile.name, profile.display_name, profile.email, frozenset(accepted_groups), secret)


def accept_service(*, name: str, display_name: str, groups: Iterable[str]) -> AccountForm | Unacceptable:
    """Read what the account of a service is made of: it has neither address nor password."""
    problems: list[tuple[str, str]] = []
    profile = _read_profile(name, display_name, "", problems)
    accepted = frozenset(_read(group, parse_group_name, "groups", problems) for group in groups)
    if problems:
        return Unacceptable(tuple(problems))
    return AccountForm(profile.name, profile.display_name, "", accepted, "")


def make_user(form: AccountForm, *, random: Random, now: datetime) -> User:
    """A new account as the form has it, enabled and without rights; whoever makes it adds what else it is."""
    return User(
        id=UserId(encode(random.token(HANDLE_SIZE))),
        name=form.name,
        display_name=form.display_name,
        email=form.email,
        groups=form.groups,
        is_admin=False,
        enabled=True,
        generation=1,
        created_at=now,
    )


def accept_profile(*, name: str, display_name: str, email: str, present: str) -> ProfileForm | Unacceptable:
    """Read the names and the address of an account, and report every problem at once.

    `present`: the name it has, which it may keep, whatever nobody new is called by now.
    """
    problems: list[tuple[str, str]] = []
    profile = _read_profile(name, display_name, email, problems, read_user_name if name == present else parse_user_name)
    return Unacceptable(tuple(problems)) if problems else profile


def accept_display_name(display_name: str) -> str | Unacceptable:
    """Read a name to show."""
    problems: list[tuple[str, str]] = []
    accepted = _read(display_name, parse_display_name, "display_name", problems)
    return Unacceptable(tuple(problems)) if problems else accepted


def accept_email(email: str) -> str | Unacceptable:
    """Read an e-mail address. None given is none."""
    problems: list[tuple[str, str]] = []
    accepted = _read(email, parse_email, "email", problems) if email else ""
    return Unacceptable(tuple(problems)) if problems else accepted


def accept_new_password(
    password: str, again: str, *, name: str, email: str, rules: PasswordRules
) -> str | Unacceptable:
    """Read a new password that was typed twice."""
    accepted = accept_password(password, name=name, email=email, rules=rules)
    problems = accepted.problems if isinstance(accepted, Unacceptable) else ()
    problems += check_again(password, again)
    return Unacceptable(problems) if problems or isinstance(accepted, Unacceptable) else accepted


def check_again(password: str, again: str) -> tuple[tuple[str, str], ...]:
    """The problem with what was typed a second time, if there is one."""
    return () if password == again else (("password_again", "The two passwords are not the same."),)


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


def _read_profile(
    name: str,
    display_name: str,
    email: str,
    problems: list[tuple[str, str]],
    parse: Callable[[str], str] = parse_user_name,
) -> ProfileForm:
    accepted_name = _read(name, parse, "name", problems)
    accepted_display = _read(display_name, parse_display_name, "display_name", problems) if display_name else ""
    accepted_email = _read(email, parse_email, "email", problems) if email else ""
    return ProfileForm(accepted_name, accepted_display or accepted_name, accepted_email)


def _read(text: str, parse: Callable[[str], str], field: str, problems: list[tuple[str, str]]) -> str:
    try:
        return parse(text)
    except InputError as error:
        problems.append((field, f"{str(error)[:1].upper()}{str(error)[1:]}."))
        return ""
