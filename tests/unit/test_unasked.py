"""Whoever comes in without showing anything is on the console's policy page, and so is what is wrong with it."""

from dataclasses import replace

import pytest

from doorward.app.settings import unasked_of
from doorward.config.load import parse_config
from doorward.flows.policies import Unasked
from doorward.rules.registration import Mode
from tests.fakes.door import Answer, Browser, Door

FAMILY = Unasked(single_user="family", networks=("192.168.1.0/24", "fd00::/8"))
BY_PROXY = Unasked(header="Remote-User")
TAKEABLE = "Anyone can register under a user name that the proxy gives somebody else in Remote-User."


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    return door


def let_in(door: Door, unasked: Unasked) -> None:
    door.flows.policies._unasked = lambda: unasked


async def look(door: Door) -> Answer:
    browser = Browser(door)
    await browser.sign_in("root")
    return await browser.get("/admin/policy")


async def test_who_stands_for_which_networks_is_shown(door: Door) -> None:
    """D-11."""
    assert "without signing in" not in (await look(door)).text
    await door.add_user("family")
    let_in(door, FAMILY)
    page = await look(door)
    assert "Whoever comes from 192.168.1.0/24, fd00::/8 is family without signing in." in page.text
    assert "/admin/users/person?login=family" in page.text


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"awaits_approval": True, "enabled": False}, "nobody has let it in yet"),
        ({"enabled": False}, "it is disabled"),
        ({"is_admin": True}, "it is an administrator"),
        ({"console_only": True}, "it is for the console only"),
    ],
)
async def test_why_an_account_stands_for_nobody_is_shown(door: Door, changes: dict[str, bool], flaw: str) -> None:
    """D-11: it was only told at the start and at the first request."""
    user = await door.add_user("family")
    async with door.store.records.transaction() as transaction:
        await transaction.advance_user(user, replace(user, **changes))  # type: ignore[arg-type]
    let_in(door, FAMILY)
    page = await look(door)
    assert f"family was to stand for 192.168.1.0/24, fd00::/8 and stands for nobody: {flaw}." in page.text
    assert "without signing in" not in page.text


async def test_an_account_that_is_not_there_stands_for_nobody_in_german_too(door: Door) -> None:
    let_in(door, FAMILY)
    assert "stands for nobody: there is no such account." in (await look(door)).text
    browser = Browser(door)
    await browser.sign_in("root")
    page = await browser.get("/admin/policy", accept_language="de")
    assert "steht für niemanden: es gibt kein solches Konto." in page.text


async def test_open_registration_beside_a_proxys_word_is_warned_of_wherever_it_was_opened(door: Door) -> None:
    """A-28: the check of the file sees the file only."""
    let_in(door, BY_PROXY)
    assert TAKEABLE not in (await look(door)).text
    browser = Browser(door)
    await browser.sign_in("root")
    await browser.press("/admin/policy/registration", await browser.get("/admin/policy"), word=Mode.OPEN.value)
    assert TAKEABLE in (await browser.get("/admin/policy")).text
    let_in(door, replace(BY_PROXY, approval=True))
    assert TAKEABLE not in (await browser.get("/admin/policy")).text
    let_in(door, Unasked())
    assert "Anyone can register under" not in (await browser.get("/admin/policy")).text


def test_it_is_as_the_file_has_it() -> None:
    config = parse_config(
        b"server: {public_url: 'https://auth.example.com'}\ncookie: {domain: example.com}\n"
        b"proxy: {trusted: [172.18.0.0/16]}\nregistration: {approval: true}\n"
        b"single_user: {user: family, networks: [192.168.1.0/24]}\n"
        b"authn: {trusted_header: {name: Remote-User, networks: [172.18.0.3/32]}}\n",
        environ={},
    ).config
    assert unasked_of(config) == Unasked("family", ("192.168.1.0/24",), config.authn.trusted_header.name, approval=True)
    assert config.authn.trusted_header.name.casefold() == "remote-user"
