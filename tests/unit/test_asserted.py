"""A proxy's word on who somebody is: whose counts, what it opens, and what it never does (A-28)."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from doorward.errors import InputError
from doorward.rules.session import NEVER, RECENT, Method, is_recent
from doorward.rules.ways import ASSERTED_SETTING, is_witness, name_witness
from doorward.web.asserted import AssertedHeader
from doorward.web.client import Trust
from doorward.web.gate.identity import name_headers
from doorward.web.gate.proxies import DIALECTS
from tests.fakes.api import open_api, told
from tests.fakes.door import PASSWORD, Browser, Door
from tests.fakes.gate import make_user
from tests.fakes.second import give_totp

PEERS = Trust((ip_network("127.0.0.1/32"),))
HEADER = AssertedHeader(b"remote-user", PEERS)
GRAFANA = "https://grafana.example.test/d/1"


@pytest.fixture
async def door() -> Door:
    made = Door(asserted=HEADER)
    await made.add_user("alice")
    await made.add_user("root", admin=True)
    return made


@pytest.mark.parametrize(
    ("value", "login"),
    [(b"alice", "alice"), (b"Alice", "alice"), (b"Alice@Example.Test", "alice@example.test"), (b"", "")],
)
def test_a_peer_names_a_user_or_an_address(value: bytes, login: str) -> None:
    assert HEADER.read("127.0.0.1", [(b"host", b"x"), (b"remote-user", value)]) == login
    assert HEADER.read("127.0.0.1", [(b"host", b"x")]) == ""


@pytest.mark.parametrize("peer", ["127.0.0.2", "203.0.113.7", "", "::1", "nonsense"])
@pytest.mark.parametrize("value", [b"alice", b"\xff", b"alice, root"])
def test_from_anybody_else_it_is_not_even_looked_at(peer: str, value: bytes) -> None:
    assert HEADER.read(peer, [(b"remote-user", value), (b"remote-user", b"root")]) == ""


def test_a_peer_on_our_unix_socket_counts_where_that_is_said() -> None:
    assert AssertedHeader(b"remote-user", Trust(unix=True)).read("", [(b"remote-user", b"alice")]) == "alice"


@pytest.mark.parametrize(
    "values",
    [
        [b"alice", b"root"],
        [b"alice", b"alice"],
        [b"", b"alice"],
        [b"alice, root"],
        [b"alice\x00"],
        ["älice".encode()],
        [b"\xff\xfe"],
        [b"alice%20"],
        [b"a" * 300],
        [b"alice@"],
    ],
)
def test_what_could_be_read_as_somebody_else_is_refused(values: list[bytes]) -> None:
    with pytest.raises(InputError):
        HEADER.read("127.0.0.1", [(b"remote-user", value) for value in values])


async def test_who_is_named_is_signed_in_at_once_and_sent_on(door: Door) -> None:
    browser = Browser(door)
    answer = await browser.get(f"/login?rd={GRAFANA}", remote_user="alice")
    assert answer.onward == GRAFANA
    [session] = door.store.state.sessions.values()
    assert session.methods == {Method.ASSERTED}
    assert session.authenticated_at == NEVER
    assert is_recent(session, door.town.now, RECENT)
    assert "user.login" in door.town.acts()
    assert (await browser.get("/")).status == 200


async def test_nothing_is_read_where_the_mode_is_off() -> None:
    door = Door()
    await door.add_user("alice")
    assert 'name="password"' in (await Browser(door).get("/login", remote_user="alice")).text
    assert not door.store.state.sessions


async def test_a_visitor_who_sends_it_past_the_proxy_gets_the_form() -> None:
    door = Door(asserted=AssertedHeader(b"remote-user", Trust((ip_network("10.0.0.1/32"),))))
    await door.add_user("alice")
    answer = await Browser(door).get("/login", remote_user="alice")
    assert 'name="password"' in answer.text
    assert "Continue as" not in answer.text
    assert not door.store.state.sessions


async def test_two_names_are_none(door: Door) -> None:
    answer = await Browser(door).get("/login", remote_user="alice, root")
    assert answer.status == 400
    assert not door.store.state.sessions


async def test_a_second_factor_is_asked_for_as_after_a_password(door: Door) -> None:
    """It is a way of signing in, not a way round."""
    await give_totp(door.town)
    browser = Browser(door)
    answer = await browser.get("/login", remote_user="alice")
    assert answer.status == 303
    assert "/login/factor?ticket=" in answer.location
    assert not door.store.state.sessions
    assert (await browser.get(answer.location.removeprefix(door.public_url))).status == 200


async def test_what_the_account_owes_is_owed(door: Door) -> None:
    await _alter(door, "alice", must_change_password=True)
    answer = await Browser(door).get("/login", remote_user="alice")
    assert "/login/new-password?ticket=" in answer.location


@pytest.mark.parametrize("name", ["nobody", "nobody@example.test"])
async def test_whom_nobody_knows_gets_a_page_and_no_account(door: Door, name: str) -> None:
    users = dict(door.store.state.users)
    answer = await Browser(door).get("/login", remote_user=name)
    assert answer.status == 403
    assert "We do not know you" in answer.text
    assert "/login?choose=1" in answer.text
    assert door.store.state.users == users
    assert door.town.audit[-1].act.value == "user.login_failed"
    assert door.town.audit[-1].public == {"method": "asserted", "failure": "nobody"}


async def test_a_disabled_account_is_nobody_and_its_owner_can_see_the_try(door: Door) -> None:
    user = await _alter(door, "alice", enabled=False)
    answer = await Browser(door).get("/login", remote_user="alice")
    assert (answer.status, "We do not know you" in answer.text) == (403, True)
    assert [note.failure for note in door.store.state.sign_ins if note.user_id == user.id] == ["nobody"]


async def test_an_account_that_waits_is_told_so(door: Door) -> None:
    await _alter(door, "alice", enabled=False, awaits_approval=True)
    answer = await Browser(door).get("/login", remote_user="alice")
    assert answer.status == 403
    assert "An administrator has to let you in first" in answer.text


async def test_tries_are_counted_by_address(door: Door) -> None:
    statuses = [(await Browser(door).get("/login", remote_user="nobody")).status for _ in range(11)]
    assert statuses == [403] * 10 + [429]
    assert (await Browser(door).get("/login?choose=1", remote_user="nobody")).status == 200


async def test_somebody_else_in_the_header_is_somebody_else_here(door: Door) -> None:
    """The session of whoever was signed in before opens nothing of ours while the proxy names another."""
    browser = Browser(door)
    await browser.get("/login", remote_user="alice")
    assert (await browser.get("/", remote_user="ALICE@example.test")).status == 200
    answer = await browser.get("/", remote_user="root")
    assert (answer.status, "/login" in answer.location) == (303, True)
    await browser.get("/login", remote_user="root")
    [session] = door.store.state.sessions.values()
    assert door.store.state.users[session.user_id].name == "root"


@pytest.mark.parametrize("method", ["get", "post"])
async def test_signing_out_as_somebody_else_ends_the_session_that_was_there(door: Door, method: str) -> None:
    """A-13: a session whose cookie is dropped is over, whoever is named now."""
    browser = Browser(door)
    await browser.get("/login", remote_user="alice")
    told = {"remote_user": "root"}
    await (browser.get("/logout", **told) if method == "get" else browser.post("/logout", {}, **told))
    assert not door.store.state.sessions
    assert door.cookies.session not in browser.jar


async def test_the_session_cookie_alone_ends_nothing_of_somebody_elses(door: Door) -> None:
    """J18: every app is sent it."""
    browser = Browser(door)
    await browser.get("/login", remote_user="alice")
    del browser.jar[door.cookies.companion]
    await browser.post("/logout", {}, remote_user="root")
    assert door.store.state.sessions


async def test_who_signed_out_is_asked_before_being_signed_in_again(door: Door) -> None:
    browser = Browser(door)
    await browser.get("/login", remote_user="alice")
    await browser.press("/logout", await browser.get("/logout", remote_user="alice"), remote_user="alice")
    page = await browser.get(f"/login?rd={GRAFANA}", remote_user="alice")
    assert page.status == 200
    assert "Continue as alice" in page.text
    again = await browser.get(f"/login?continue=1&rd={GRAFANA}", remote_user="alice")
    assert again.onward == GRAFANA


async def test_a_picture_elsewhere_signs_nobody_in(door: Door) -> None:
    await Browser(door).get("/login", remote_user="alice", sec_fetch_dest="image")
    assert not door.store.state.sessions


async def test_it_is_never_a_recent_proof(door: Door) -> None:
    """A proxy's word is the same however long ago it got its own."""
    browser = Browser(door)
    await browser.get("/login", remote_user="alice")
    page = await browser.get(f"/login?fresh=1&rd={GRAFANA}", remote_user="alice")
    assert page.status == 200
    assert 'name="password"' in page.text


async def test_an_administrator_who_came_by_it_lets_passwords_be_closed(door: Door) -> None:
    """D-12, A-28: not before, not by anybody else's coming, and not when they are no administrator any more."""
    door.town.passwords_open = False
    ways = door.town.ways
    assert "come in by the proxy" in (await ways.describe_password()).because
    await Browser(door).get("/login", remote_user="alice")
    assert await ways.is_password_open()
    await Browser(door).get("/login", remote_user="root")
    assert not await ways.is_password_open()
    await Browser(door).get("/login", remote_user="root")
    browser = Browser(door)
    page = await browser.get("/login?choose=1")
    assert 'name="password"' not in page.text
    await _alter(door, "root", is_admin=False)
    assert await ways.is_password_open()


async def test_another_header_needs_another_witness(door: Door) -> None:
    await Browser(door).get("/login", remote_user="root")
    noted = door.store.state.settings[ASSERTED_SETTING]
    root = next(user for user in door.store.state.users.values() if user.name == "root")
    assert is_witness(root, "remote-user", noted)
    assert not is_witness(root, "x-user", noted)
    assert not is_witness(replace(root, enabled=False), "remote-user", noted)
    assert not is_witness(None, "remote-user", noted)
    assert name_witness("remote-user", make_user("root")) != noted


def test_an_app_is_never_told_by_that_header_who_somebody_is() -> None:
    """It is empty on every allow, unless it is one of our own, which says what we say; Envoy is told to remove it."""
    alice = make_user("alice")
    blank = name_headers(forwarded=True, remote=False, asserted=b"remote-user").of(alice, ())
    assert blank.headers[-1] == (b"remote-user", b"")
    envoy = dict(DIALECTS[-1].carry(blank, ()))
    assert b"remote-user" in envoy[b"x-envoy-auth-headers-to-remove"]
    own = name_headers(forwarded=False, remote=True, asserted=b"remote-user").of(alice, ())
    assert [value for name, value in own.headers if name == b"remote-user"] == [b"alice"]


async def test_a_password_still_works_beside_it(door: Door) -> None:
    browser = Browser(door)
    assert (await browser.sign_in("alice", password=PASSWORD)).status == 303


async def _alter(door: Door, name: str, **changes: object):
    old = next(user for user in door.store.state.users.values() if user.name == name)
    new = replace(old, **changes)  # type: ignore[arg-type]
    async with door.store.records.transaction() as transaction:
        await transaction.advance_user(old, new)
    return new


@pytest.mark.parametrize("asserted", [HEADER, None])
async def test_programs_are_told_that_a_proxy_may_name_somebody_and_not_in_which_header(
    asserted: AssertedHeader | None,
) -> None:
    answer = await Browser(open_api(Door(asserted=asserted))).get("/api/auth/mode")
    more = ["asserted"] if asserted else []
    assert told(answer)["methods"] == ["password", "passkey", *more]
    assert "remote-user" not in answer.text
