"""Secrets that apps are shown: set, listed without values, removed; and what the gate shows of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.app.app_secrets import note_secrets
from doorward.errors import (
    Clash,
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    TamperError,
    UnavailableError,
)
from doorward.flows.acting import CLI, Actor
from doorward.flows.app_secrets import AppSecrets, Listed, ShownHeaders
from doorward.rules.app_header import parse_basic, parse_header
from doorward.rules.audit import Act
from doorward.rules.policy import App, HostPattern, Policy
from tests.contract.samples import a_user, add
from tests.fakes.neighbours import FakeKeyring
from tests.fakes.records import FakeStore
from tests.fakes.system import START

ALICE, ROOT = a_user(), a_user("root", is_admin=True)
DAY = timedelta(days=1)
NAS = App("NAS", (HostPattern("nas.example.com"),), headers=(parse_basic("{user}", "nas"),))
TUNES = App(
    "Tunes",
    (HostPattern("tunes.example.com"),),
    headers=(parse_header("X-Api-Key", "{secret:tunes}"), parse_header("X-Also", "{secret:nas}")),
)
WIKI = App("Wiki", (HostPattern("wiki.example.com"),), headers=(parse_header("X-User", "{user}"),))


class House:
    """A store with an administrator, and apps that are shown secrets."""

    def __init__(self):
        self.store = FakeStore()
        self.keyring = FakeKeyring()
        self.apps = (NAS, TUNES, WIKI)
        self.flow = AppSecrets(
            records=self.store.records, keyring=self.keyring, policy=lambda: Policy((), apps=self.apps)
        )
        self.shown = ShownHeaders(self.store.live_view, self.keyring)

    async def open(self):
        await add(self.store.records, ALICE, ROOT)
        return self


async def test_a_secret_is_set_listed_without_its_value_and_shown():
    house = await House().open()
    await house.flow.put(CLI, "nas", "pa:ss wörd", now=START)
    await house.flow.put(Actor(ROOT.id, ROOT.id), "extra", "x", now=START + DAY)
    assert await house.flow.look(CLI) == [
        Listed("extra", START + DAY),
        Listed("nas", START, ("NAS", "Tunes")),
        Listed("tunes", None, ("Tunes",)),
    ]
    assert "wörd" not in repr(house.store.state.app_secrets)
    events = [record.event for record in house.store.state.audit]
    assert [(each.act, each.actor, each.public) for each in events] == [
        (Act.APP_SECRET_SET, "cli", {"secret": "nas", "replaced": "no"}),
        (Act.APP_SECRET_SET, ROOT.id, {"secret": "extra", "replaced": "no"}),
    ]
    assert house.shown.render(NAS, ALICE, ()) == ((b"authorization", b"Basic YWxpY2U6cGE6c3Mgd8O2cmQ="),)


async def test_a_changed_secret_is_shown_at_the_very_next_check():
    house = await House().open()
    await house.flow.put(CLI, "tunes", "one", now=START)
    await house.flow.put(CLI, "nas", "n", now=START)
    assert house.shown.render(TUNES, ALICE, ()) == ((b"x-api-key", b"one"), (b"x-also", b"n"))
    assert house.shown.render(TUNES, ALICE, ()) == ((b"x-api-key", b"one"), (b"x-also", b"n"))
    await house.flow.put(CLI, "tunes", "two", now=START + DAY)
    assert house.shown.render(TUNES, ALICE, ()) == ((b"x-api-key", b"two"), (b"x-also", b"n"))
    assert house.store.state.audit[-1].event.public == {"secret": "tunes", "replaced": "yes"}


async def test_what_takes_nothing_away_is_read_only_when_the_revision_says_so():
    house = await House().open()
    await house.flow.put(CLI, "nas", "n", now=START)
    assert house.shown.find("nas") == "n"
    revision = house.store.state.revision
    async with house.store.records.transaction() as transaction:
        await transaction.put_preference(ALICE.id, "theme", "dark")
    assert house.store.state.revision == revision
    assert house.shown.find("nas") == "n"


async def test_an_app_whose_secret_is_missing_is_not_answered_and_nobody_is_shown_none():
    """The app is shut rather than sent less than it asked for; visitors without a name need no secret."""
    house = await House().open()
    for app in (NAS, TUNES):
        with pytest.raises(UnavailableError):
            house.shown.render(app, ALICE, ())
    assert house.shown.render(NAS, None, ()) == ((b"authorization", b""),)
    assert house.shown.render(WIKI, ALICE, ()) == ((b"x-user", b"alice"),)
    await house.flow.put(CLI, "nas", "ä", now=START)
    await house.flow.put(CLI, "tunes", "t", now=START)
    assert house.shown.render(NAS, ALICE, ())
    with pytest.raises(UnavailableError):  # no header can hold it as it is
        house.shown.render(TUNES, ALICE, ())


async def test_a_secret_moved_to_another_name_does_not_open():
    house = await House().open()
    await house.flow.put(CLI, "nas", "n", now=START)
    state = house.store.state
    state.app_secrets["tunes"] = replace(state.app_secrets["nas"], name="tunes")
    with pytest.raises(TamperError):
        house.shown.find("tunes")


async def test_a_secret_is_removed_once_no_app_is_shown_it():
    house = await House().open()
    await house.flow.put(CLI, "nas", "n", now=START)
    with pytest.raises(ConflictError) as refused:
        await house.flow.remove(CLI, "nas", now=START)
    assert (refused.value.clash, str(refused.value)) == (Clash.NEEDED, "the configuration shows it to NAS, Tunes")
    house.apps = (WIKI,)
    await house.flow.remove(CLI, "nas", now=START)
    assert house.store.state.app_secrets == {}
    event = house.store.state.audit[-1].event
    assert (event.act, event.public) == (Act.APP_SECRET_REMOVED, {"secret": "nas"})
    with pytest.raises(NotFoundError):
        await house.flow.remove(CLI, "nas", now=START)


async def test_only_administrators_have_to_do_with_secrets():
    """J04: looked at in the transaction of the act."""
    house = await House().open()
    house.apps = ()
    alice = Actor(ALICE.id, ALICE.id)
    with pytest.raises(ForbiddenError):
        await house.flow.look(alice)
    with pytest.raises(ForbiddenError):
        await house.flow.put(alice, "nas", "n", now=START)
    with pytest.raises(ForbiddenError):
        await house.flow.remove(alice, "nas", now=START)
    assert house.store.state.audit == []


@pytest.mark.parametrize(("name", "value"), [("NAS", "x"), ("", "x"), ("nas", ""), ("nas", "a\r\nb")])
async def test_what_no_header_could_hold_is_not_stored(name, value):
    """C01."""
    house = await House().open()
    with pytest.raises(InputError):
        await house.flow.put(CLI, name, value, now=START)
    assert house.store.state.app_secrets == {}


async def test_a_missing_secret_is_told_with_the_command_that_sets_it():
    house = await House().open()
    await house.flow.put(CLI, "tunes", "t", now=START)
    (finding,) = await note_secrets(house.flow)
    assert str(finding) == (
        "apps: there is no secret nas, so NAS, Tunes lets nobody in -- set it: doorward app-secret set nas"
    )
    assert not finding.calm
