"""Accounts that come from elsewhere: what was read of them, and what is to become of each here.

Nothing is done before it was shown: a plan is made, an administrator looks at it, and it is carried out only if making
it again comes to the same (`flows.importing`).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from doorward.errors import InputError
from doorward.rules.identity import User
from doorward.rules.names import parse_display_name, parse_email, parse_group_name, parse_user_name

MOST_ACCOUNTS: Final = 5000
"""In one file: they are added in one transaction, which nothing else can be written beside."""
MOST_PROBLEMS: Final = 100
"""So many are told; whoever has more of them has one problem, many times."""
_TOKEN_LETTERS: Final = 20


class Origin(Enum):
    """Where accounts come from."""

    DOORWARD = "doorward"
    AUTHELIA = "authelia"
    TRAEFIK_MANAGER = "traefik-manager"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, or worth knowing, about a file: a sentence with its place, and what to do."""

    path: str
    message: str
    hint: str = ""

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        return f"{self.path}: {self.message}" + (f" -- {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An account as the file has it, its names canonical. None: the file does not say."""

    path: str
    name: str
    display_name: str
    email: str = ""
    groups: frozenset[str] = frozenset()
    enabled: bool = True
    is_admin: bool | None = None
    must_change_password: bool = False
    console_only: bool | None = None
    language: str | None = None
    is_service: bool = False
    """It has keys only, which are in no file: new ones are made for it."""
    password: str = field(default="", repr=False)
    """The hash, as the records hold it once it is unsealed; "" where there is none."""
    totp: bytes = field(default=b"", repr=False)
    """The secret of the authenticator app; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a file. With problems nothing of it is imported; notices are told beside."""

    accounts: tuple[Incoming, ...] = ()
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """What whoever imports has said besides.

    `keep_admin`: administrators stay administrators. `overwrite`: accounts that are here become as in the file.
    `skip`: names of accounts to be left out, as the file spells them.
    """

    keep_admin: bool = False
    overwrite: bool = False
    skip: frozenset[str] = frozenset()


class Deed(Enum):
    """What becomes of an account of the file."""

    ADD = "add"
    CHANGE = "change"
    SAME = "same"
    TAKEN = "taken"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise afterwards, in words."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Step:
    """What is done about one account. `wanted` is the account as it is to be, of those that are here already."""

    incoming: Incoming
    deed: Deed
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    present: User | None = None
    wanted: User | None = None


_NONE: Final = "none"


def leave_out(name: str, path: str) -> Incoming:
    """An account that is left out: nobody has looked at what the file says of it, its name included."""
    return Incoming(path=path, name=name, display_name=name)


OWN: Final = "this is your own account"
LAST: Final = "this is the last enabled administrator"
OTHER_KIND: Final = "one of the two is a service, the other a person"


def make_plan(
    accounts: Sequence[Incoming], users: Sequence[User], choices: Choices, *, actor: str = ""
) -> tuple[Step, ...]:
    """What is to be done, account by account. `actor` is the id of whoever imports: nobody overwrites themselves."""
    by_name = {user.name: user for user in users}
    by_email = {user.email: user for user in users if user.email}
    steps = [_plan_one(account, by_name, by_email, choices, actor) for account in accounts]
    return _keep_an_administrator(steps, users)


def make_token(source: bytes, choices: Choices, steps: Sequence[Step]) -> str:
    """What stands for a preview: another file, other choices or accounts that changed since make another one."""
    shown = [
        hashlib.sha256(source).hexdigest(),
        [choices.keep_admin, choices.overwrite, sorted(choices.skip)],
        [[step.incoming.name, step.deed.value, step.reason, _spell_state(step.present)] for step in steps],
    ]
    return hashlib.sha256(json.dumps(shown).encode("ascii")).hexdigest()[:_TOKEN_LETTERS]


def _plan_one(
    account: Incoming, by_name: Mapping[str, User], by_email: Mapping[str, User], choices: Choices, actor: str
) -> Step:
    if account.name in choices.skip:
        return Step(account, Deed.SKIP, reason="left out, as asked")
    present = by_name.get(account.name)
    holder = by_email.get(account.email)
    if holder is not None and holder is not present:
        return Step(account, Deed.TAKEN, reason=f"the address {account.email} is that of {holder.name}")
    if present is None:
        return Step(account, Deed.ADD, _describe(account, choices))
    if account.is_service != present.is_service:
        # SECURITY: a service is nobody who signs in, and must not become one by a file; tests/unit/test_importing.py
        # gives one a password.
        return Step(account, Deed.TAKEN, reason=OTHER_KIND, present=present)
    wanted = _merge(account, present, choices)
    differences = _compare(account, present, wanted)
    if not differences:
        return Step(account, Deed.SAME, present=present)
    if present.id == actor:
        # SECURITY: a session that somebody else got hold of must not give itself another password or factor by a
        # file; tests/unit/test_importing.py tries.
        return Step(account, Deed.TAKEN, differences, OWN, present)
    if not choices.overwrite:
        return Step(account, Deed.TAKEN, differences, "there is an account of this name", present)
    return Step(account, Deed.CHANGE, differences, present=present, wanted=wanted)


def _keep_an_administrator(steps: Sequence[Step], users: Sequence[User]) -> tuple[Step, ...]:
    """The steps, without those that would leave nobody to administer (R05)."""
    after = {user.id: user for user in users}
    after |= {step.wanted.id: step.wanted for step in steps if step.wanted is not None}
    if any(_can_administer(user) for user in after.values()):
        return tuple(steps)
    return tuple(
        replace(step, deed=Deed.TAKEN, reason=LAST, wanted=None)
        if step.wanted is not None and step.present is not None and _can_administer(step.present)
        else step
        for step in steps
    )


def _can_administer(user: User) -> bool:
    return user.administers and user.enabled and not user.is_service


def _merge(account: Incoming, present: User, choices: Choices) -> User:
    said = account.is_admin if choices.keep_admin else None
    return replace(
        present,
        display_name=account.display_name,
        email=account.email,
        groups=account.groups,
        enabled=account.enabled,
        awaits_approval=present.awaits_approval and not account.enabled,
        must_change_password=account.must_change_password,
        is_admin=present.is_admin if said is None else said,
        console_only=present.console_only if account.console_only is None else account.console_only,
        language=present.language if account.language is None else account.language,
    )


def _describe(account: Incoming, choices: Choices) -> tuple[Difference, ...]:
    told = {
        "name to show": account.display_name,
        "e-mail": account.email,
        "groups": _spell_groups(account.groups),
        "enabled": "" if account.enabled else "no",
        "administrator": _spell_admin(account, choices),
        "service": "yes, and comes without its keys" if account.is_service else "",
        "own pages only": "yes" if account.console_only else "",
        "new password at the next sign-in": "yes" if account.must_change_password else "",
        "password": _spell_password(account),
        "authenticator app": "as there" if account.totp else "",
    }
    return tuple(Difference(what, "", after) for what, after in told.items() if after)


def _compare(account: Incoming, present: User, wanted: User) -> tuple[Difference, ...]:
    told = [
        ("name to show", present.display_name, wanted.display_name),
        ("e-mail", present.email, wanted.email),
        ("groups", _spell_groups(present.groups), _spell_groups(wanted.groups)),
        ("enabled", _spell(present.enabled), _spell(wanted.enabled)),
        ("administrator", _spell(present.is_admin), _spell(wanted.is_admin)),
        ("own pages only", _spell(present.console_only), _spell(wanted.console_only)),
        (
            "new password at the next sign-in",
            _spell(present.must_change_password),
            _spell(wanted.must_change_password),
        ),
        ("language", present.language, wanted.language),
        # What is here is sealed, and not opened to be compared.
        ("password", "as it is", _spell_password(account) or "as it is"),
        ("authenticator app", "as it is", "as there" if account.totp else "as it is"),
    ]
    return tuple(Difference(what, before or _NONE, after or _NONE) for what, before, after in told if before != after)


def _spell_admin(account: Incoming, choices: Choices) -> str:
    if not account.is_admin:
        return ""
    return "yes" if choices.keep_admin else "was one there, and comes without"


def _spell_password(account: Incoming) -> str:
    return f"as there ({account.password.partition('$')[0]})" if account.password else ""


def _spell_groups(groups: Iterable[str]) -> str:
    return ", ".join(sorted(groups))


def _spell(value: bool) -> str:
    return "yes" if value else "no"


def _spell_state(user: User | None) -> str:
    return (
        ""
        if user is None
        else repr(replace(user, groups=frozenset(), granted_groups=frozenset()))
        + repr([sorted(user.groups), sorted(user.granted_groups)])
    )


class Form:
    """Reads the fields of what another program wrote, and keeps every problem with its place."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notices: list[Problem] = []
        self._names: dict[str, str] = {}
        self._emails: dict[str, str] = {}

    def refuse(self, path: str, message: str, hint: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(path, message, hint))

    def read_text(self, fields: Mapping[str, object], key: str, path: str) -> str:
        """A text, "" where it is absent or empty."""
        value = fields.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(f"{path}.{key}", "this must be text", "put it in quotes")
            return ""
        return value

    def read_flag(self, fields: Mapping[str, object], key: str, path: str, *, default: bool = False) -> bool:
        """A yes or no."""
        value = fields.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.refuse(f"{path}.{key}", "this must be true or false")
        return default

    def read_groups(self, fields: Mapping[str, object], key: str, path: str) -> frozenset[str]:
        """Names of groups."""
        value = fields.get(key)
        if value is None:
            return frozenset()
        if not isinstance(value, tuple | list):
            self.refuse(f"{path}.{key}", "this must be a list of groups")
            return frozenset()
        found = [self._parse(word, parse_group_name, f"{path}.{key}[{at}]") for at, word in enumerate(value)]
        return frozenset(found) - {""}

    def read_names(
        self, name: object, display_name: str, email: str, path: str, *, email_key: str = "email"
    ) -> tuple[str, str, str]:
        """The canonical names and address of an account, each of them in the file only once."""
        user_name = self._parse(name, parse_user_name, path)
        shown = self._parse(display_name, parse_display_name, path) if display_name.strip() else user_name
        address = self._parse(email, parse_email, f"{path}.{email_key}") if email else ""
        self._once(self._names, user_name, path, "the user name")
        self._once(self._emails, address, f"{path}.{email_key}", "the address")
        return user_name, shown, address

    def parse(self, parse: Callable[[str], str], text: str, path: str, hint: str = "") -> str:
        """What `parse` makes of a text, "" where it refuses."""
        try:
            return parse(text)
        except InputError as error:
            self.refuse(path, str(error), hint)
            return ""

    def finish(self, accounts: Sequence[Incoming], path: str) -> Reading:
        """What was read; no accounts where there was any problem."""
        if not self.problems and not accounts:
            self.refuse(path, "there is no account in it")
        if len(accounts) > MOST_ACCOUNTS:
            self.refuse(path, f"{len(accounts)} accounts are too many for one file", f"at most {MOST_ACCOUNTS}")
        problems = self.problems[:MOST_PROBLEMS]
        if len(self.problems) > MOST_PROBLEMS:
            problems.append(Problem(path, f"{len(self.problems) - MOST_PROBLEMS} more problems are not told"))
        return Reading(() if problems else tuple(accounts), tuple(problems), tuple(self.notices))

    def _parse(self, text: object, parse: Callable[[str], str], path: str) -> str:
        if not isinstance(text, str):
            self.refuse(path, "this must be text", "put it in quotes")
            return ""
        return self.parse(parse, text, path)

    def _once(self, seen: dict[str, str], word: str, path: str, what: str) -> None:
        if word and seen.setdefault(word, path) != path:
            self.refuse(path, f"{what} {word} is also that of {seen[word]}", "each account has its own")
