"""What takes a right away ends everything that stood on it: sessions, sign-ins under way, links and offers (2.1, J04)."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from doorward.flows.admin import CLI
from doorward.flows.granting import Witness, regrant
from doorward.flows.outcome import Continued, Refused, SignedIn, UpstreamRefused
from doorward.flows.rights import take_rights
from tests.fakes.accounts import Offices
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor
from tests.fakes.second import code_of, come_to_second, find_user, give_totp, subject_of, submit_code
from tests.fakes.upstream import a_provider, somebody

HOME = a_visitor("203.0.113.7", "browser-home")
AWAY = a_visitor("198.51.100.7", "browser-away")


@dataclass
class Standing:
    """Alice, with everything that can stand on an account."""

    offices: Offices
    town: Town
    session: SignedIn
    other: SignedIn
    started: Any
    link: str
    email: str
    totp: Any
    passkey: Any
    codes: Any
    journey: str

    async def find_living(self, only: str = "") -> set[str]:
        """What still opens anything. Everything is tried, or `only` one, so this is good for once."""
        town, now = self.town, self.town.now
        living = {name for name in ("session", "other") if await town.check(getattr(self, name)) is not None}
        user = await find_user(town, "alice") or await find_user(town, "alina") or self.session.user
        tries: dict[str, Callable[[], Awaitable[Any]]] = {
            "sign-in": lambda: submit_code(town, self.started, code_of(town), AWAY),
            "reset link": lambda: town.flows.recovery.follow(self.link, AWAY, previous=None, now=now),
            "address link": lambda: self.offices.profile.confirm_email(self.email, HOME, now=now),
            "totp": lambda: town.factors.confirm_totp(
                user, HOME, token=self.totp.token, code=code_of(town, self.secret), now=now
            ),
            "passkey": lambda: town.factors.confirm_passkey(
                user,
                HOME,
                token=self.passkey.token,
                answer=Authenticator().create(self.passkey.options),
                name="",
                now=now,
            ),
            "codes": lambda: town.factors.acknowledge_codes(user, HOME, token=self.codes.token, now=now),
            "confirmation elsewhere": lambda: town.come_back(HOME, self.journey, somebody("sub-1")),
        }
        for name, attempt in tries.items():
            if only in {"", name} and not isinstance(outcome := await attempt(), Refused | UpstreamRefused) and outcome:
                living.add(name)
        return living

    @property
    def secret(self) -> bytes:
        return base64.b32decode(self.totp.secret.replace(" ", ""))


async def stand() -> Standing:
    offices = Offices()
    town = offices.town
    town.providers["idp"] = a_provider(groups_claim="groups", groups_prefix="idp:")
    await town.add_user("root", is_admin=True)
    await town.add_user("alice", groups=["staff", "family"], is_admin=True)
    await town.add_user("carol")
    alice = await find_user(town, "alice")
    session = await town.enter("alice", visitor=HOME)
    subject = subject_of(session)
    url = await town.leave_to_link(subject, HOME)
    await town.come_back(HOME, url, somebody("sub-1", email="", claims={"groups": ["g"]}), subject=subject)
    await town.enter_upstream(somebody("sub-1", email="", claims={"groups": ["g"]}))
    session = await town.enter("alice", visitor=HOME)
    other = await town.enter("alice", visitor=a_visitor("192.0.2.9", "browser-other"))
    subject = subject_of(session)
    await give_totp(town, "alice")
    codes = await town.factors.begin_codes(alice, HOME, now=town.now)
    return Standing(
        offices,
        town,
        session,
        other,
        await come_to_second(town, AWAY),
        (await town.flows.recovery.hand_out(CLI, "alice", now=town.now)).url.rpartition("=")[2],
        await _ask_email(offices, subject),
        await town.factors.begin_totp(alice, HOME, now=town.now),
        await town.factors.begin_passkey(alice, HOME, now=town.now),
        codes,
        await town.leave(HOME, "idp", subject=subject, confirm=True),
    )


async def _ask_email(offices: Offices, subject: Any) -> str:
    offices.outbox.is_open = True
    assert await offices.profile.ask_email(subject, HOME, email="new@example.test", now=offices.now) is None
    return offices.outbox.token()


ALL = {
    "session",
    "other",
    "sign-in",
    "reset link",
    "address link",
    "totp",
    "passkey",
    "codes",
    "confirmation elsewhere",
}


# Acts


async def own_password(it: Standing) -> None:
    changed = await it.offices.profile.change_password(
        subject_of(it.session), HOME, current=GOOD, password=OTHER, again=OTHER, now=it.town.now
    )
    assert isinstance(changed, SignedIn)
    assert await it.town.check(changed) is not None


async def reset_by_link(it: Standing) -> None:
    town = it.town
    link = (await town.flows.recovery.hand_out(CLI, "alice", now=town.now)).url.rpartition("=")[2]
    visitor = a_visitor("192.0.2.77", "browser-reset")
    begun = await town.flows.recovery.follow(link, visitor, previous=None, now=town.now)
    assert isinstance(begun, Continued)
    begun = await submit_code(town, begun.started, code_of(town, ahead=1), visitor)
    assert isinstance(begun, Continued)
    done = await town.sign_in.submit_new_password(
        begun.started.token, visitor, password=OTHER, again=OTHER, previous=None, now=town.now
    )
    assert isinstance(done, SignedIn | Continued)


async def own_address(it: Standing) -> None:
    token = await _ask_email(it.offices, subject_of(it.session))
    assert not isinstance(await it.offices.profile.confirm_email(token, HOME, now=it.town.now), Refused)


async def disowned(it: Standing) -> None:
    handle = it.other.session.handle
    await it.offices.own_record.disown(subject_of(it.session), handle, HOME, now=it.town.now)


async def deleted_by_oneself(it: Standing) -> None:
    assert await it.offices.profile.delete(subject_of(it.session), HOME, now=it.town.now) is None


def by_the_console(act: str, **said: Any) -> Callable[[Standing], Awaitable[None]]:
    async def run(it: Standing) -> None:
        await getattr(it.town.administration, act)(CLI, "alice", **said, now=it.town.now)

    return run


async def edited(it: Standing, **said: Any) -> None:
    values = {"name": "alice", "display_name": "Alice", "email": "alice@example.test", **said}
    await it.town.administration.edit_user(CLI, "alice", **values, now=it.town.now)


async def provider_takes_a_group(it: Standing) -> None:
    identity = next(each for each in it.town.store.state.identities.values() if each.subject == "sub-1")
    async with it.town.store.records.transaction() as transaction:
        await regrant(transaction, identity, None, Witness("system", it.town.now, {}))


async def raised(it: Standing) -> None:
    async with it.town.store.records.transaction() as transaction:
        user = await transaction.find_user_by_login("alice")
        assert user is not None
        await take_rights(transaction, user, user)


TAKING: dict[str, Callable[[Standing], Awaitable[None]]] = {
    "password changed": own_password,
    "password reset by a link": reset_by_link,
    "password set": by_the_console("set_password", password=OTHER),
    "password change forced": by_the_console("force_password_change"),
    "no administrator any more": by_the_console("set_admin", is_admin=False),
    "group removed": by_the_console("set_groups", groups=["staff"]),
    "group taken by the provider": provider_takes_a_group,
    "disabled": by_the_console("set_enabled", enabled=False),
    "deleted": by_the_console("delete_user"),
    "deleted by oneself": deleted_by_oneself,
    "factors reset": by_the_console("reset_factors"),
    "kept to the console": by_the_console("set_console_only", console_only=True),
    "sessions ended": by_the_console("end_sessions_of"),
    "address changed": own_address,
    "address changed by an administrator": lambda it: edited(it, email="a@example.test"),
    "renamed": lambda it: edited(it, name="alina"),
    "not me": disowned,
    "generation raised": raised,
}

GIVING: dict[str, Callable[[Standing], Awaitable[None]]] = {
    "nothing": edited,
    "group given": by_the_console("set_groups", groups=["staff", "family", "more"]),
    "display name": lambda it: edited(it, display_name="Alice A."),
}


@pytest.mark.parametrize("act", TAKING)
async def test_what_takes_a_right_away_leaves_nothing_standing(act: str) -> None:
    """2.1 "Ends on"; J04: in the same transaction, also what is only under way."""
    it = await stand()
    await TAKING[act](it)
    assert await it.find_living() == set()


@pytest.mark.parametrize("act", GIVING)
async def test_what_takes_nothing_away_ends_nothing(act: str) -> None:
    it = await stand()
    await GIVING[act](it)
    living = await it.find_living()
    # One of the tries sets a factor up, another the address: what comes after those is another account's business.
    assert living >= {"session", "other", "sign-in", "reset link", "address link"}


@pytest.mark.parametrize("name", sorted(ALL))
async def test_what_is_tried_opens_something_where_nothing_was_taken_away(name: str) -> None:
    """Or the table would prove nothing."""
    it = await stand()
    assert name in await it.find_living(only=name)
