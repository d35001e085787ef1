"""Which ways of signing in are open, and that there is always one (docs/adr 0022)."""

from dataclasses import replace

import pytest

from doorward.errors import ForbiddenError
from doorward.flows.admin import CLI, Actor
from doorward.flows.outcome import OpenWays, Refused
from doorward.flows.ways import secret_place
from doorward.rules.login import Failure
from doorward.rules.provider_form import to_settings
from doorward.rules.upstream import StoredProvider
from doorward.rules.ways import PASSWORD_SETTING, decide_password, decide_straight, merge
from tests.fakes.flows import GOOD, Town, a_visitor
from tests.fakes.upstream import a_provider, somebody

OTHER_ISSUER = "https://other.example.test"


@pytest.fixture
async def town():
    made = Town()
    made.consult_ways()
    made.alice = await made.add_user("alice", is_admin=True)
    return made


async def store(town, provider, **changes):
    """Put a provider into the console without asking anybody."""
    places = {
        name: town.keyring.seal(secret_place(name, provider.id), getattr(provider, name).encode())
        for name in ("client_secret", "private_key")
        if getattr(provider, name)
    }
    values = {
        "id": provider.id,
        "settings": to_settings(provider),
        "enabled": provider.enabled,
        "changed_at": town.now,
        **places,
        **changes,
    }
    async with town.store.records.transaction() as transaction:
        await transaction.put_provider(StoredProvider(**values))


async def come_through(town, provider="idp", subject="sub-alice"):
    """Alice connects her account at the provider, and signs in with it."""
    visitor = a_visitor()
    me = await town.check(await town.enter())
    url = await town.leave_to_link(me, visitor, provider)
    await town.come_back(visitor, url, somebody(subject), subject=me)
    return await town.enter_upstream(somebody(subject), provider)


def reasons(**changes):
    values = {"setting": None, "in_file": True, "providers": (), "admin_through": False, **changes}
    return decide_password(**values)


# The rules


def test_passwords_are_open_unless_somebody_wants_them_closed():
    assert reasons() == reasons(in_file=True)
    assert (reasons().wanted, reasons().open, reasons().set_by) == (True, True, "file")
    assert reasons(setting="on", in_file=False).open
    assert reasons(setting="on", in_file=False).set_by == "setting"


@pytest.mark.parametrize("off", [{"in_file": False}, {"setting": "off"}])
def test_passwords_close_only_where_an_administrator_came_in_without_one(off):
    """D-12, A-28: nothing is closed before the other way was used."""
    idp = (a_provider(),)
    for facts in ({}, {"providers": idp}, {"admin_through": True}):
        way = reasons(**off, **facts)
        assert (way.wanted, way.open) == (False, True)
        assert way.because.startswith("Switched off, but open")
    assert not reasons(**off, providers=idp, admin_through=True).open


def test_the_word_of_the_command_line_stands_above_the_file():
    idp = {"providers": (a_provider(),), "admin_through": True}
    assert reasons(setting="on", in_file=False, **idp).open
    assert not reasons(setting="off", in_file=True, **idp).open


def test_a_setting_that_nobody_can_read_closes_nothing():
    assert reasons(setting="of", providers=(a_provider(),), admin_through=True).open


@pytest.mark.parametrize(
    ("setting", "last", "password", "ids", "straight"),
    [
        ("off", "idp", False, ["idp"], None),
        ("only", "", False, ["idp"], "idp"),
        ("only", "", True, ["idp"], None),
        ("only", "", False, ["idp", "work"], None),
        ("only", "", False, [], None),
        ("last", "work", True, ["idp", "work"], "work"),
        ("last", "", False, ["idp"], None),
        ("last", "gone", True, ["idp"], None),
        ("work", "idp", True, ["idp", "work"], "work"),
        ("gone", "", False, ["idp"], None),
    ],
)
def test_a_visitor_goes_straight_only_where_it_is_said_where_to(setting, last, password, ids, straight):
    providers = [a_provider(each) for each in ids]
    found = decide_straight(setting, password_open=password, providers=providers, last=last)
    assert (found and found.id) == straight


def test_the_file_comes_first_in_its_order_and_the_console_by_name():
    in_file = [a_provider("zeta"), a_provider("alpha")]
    stored = [a_provider("c", name="beta"), a_provider("a", name="Gamma"), a_provider("b", name="Beta")]
    merged, shadowed = merge(in_file, stored)
    assert [each.id for each in merged] == ["zeta", "alpha", "b", "c", "a"]
    assert shadowed == {}


def test_what_the_file_has_counts_for_more_than_what_the_console_has():
    in_file = [a_provider("idp"), a_provider("old", redirect_path="/api/auth/login")]
    stored = [
        a_provider("idp", name="Mine"),
        a_provider("work", redirect_path="/api/auth/login"),
        a_provider("one", name="1", redirect_path="/api/auth/oidc/callback"),
        a_provider("two", name="2", redirect_path="/api/auth/oidc/callback"),
    ]
    merged, shadowed = merge(in_file, stored)
    assert [each.name for each in merged] == ["Idp", "Old", "1"]
    assert sorted(shadowed) == ["idp", "two", "work"]


def test_what_cannot_stand_beside_the_file_does_not_count():
    """The file may come to say something that the console refused to begin with."""
    sloppy = a_provider("sloppy", assume_verified=True)
    merged, shadowed = merge([sloppy], [a_provider("strict", link_by_email=True), a_provider("plain")])
    assert [each.id for each in merged] == ["sloppy", "plain"]
    assert shadowed == {
        "strict": "It cannot stand beside the others: 'sloppy' makes accounts with addresses that are only assumed to "
        "be verified."
    }


# The flow


async def test_everybody_sees_passwords_and_the_enabled_providers(town):
    town.providers["off"] = a_provider("off", enabled=False)
    await store(town, a_provider("work", from_file=False))
    ways = await town.ways.find()
    assert (ways.password, [each.id for each in ways.providers]) == (True, ["idp", "work"])
    assert [each.id for each in await town.ways.list_all()] == ["idp", "off", "work"]
    assert (await town.ways.find_provider("work")).client_secret == "s3cret"
    assert await town.ways.find_provider("off") is None
    assert await town.ways.find_provider("nobody") is None


async def test_providers_that_stay_as_they_are_are_not_judged_anew(town):
    """Each is held against every other one: 200 of them at every sign-in page would hold up the checks."""
    await store(town, a_provider("work", from_file=False))
    await store(town, a_provider("bad", from_file=False), settings="{}")

    async def know():
        async with town.store.records.transaction() as transaction:
            return await town.ways.know(transaction)

    known = await know()
    assert await know() is known
    town.providers["more"] = a_provider("more")
    assert [each.id for each in (await know()).providers] == ["idp", "more", "work"]
    await store(town, a_provider("work", from_file=False, name="A new name"))
    assert [each.name for each in (await know()).providers] == ["Idp", "More", "A new name"]
    async with town.store.records.transaction() as transaction:
        await transaction.remove_provider("work")
    known = await know()
    assert [each.id for each in known.providers] == ["idp", "more"]
    assert await know() is known


async def test_straight_is_decided_by_what_is_open(town):
    town.straight = "last"
    assert (await town.ways.find(last="idp")).straight == town.providers["idp"]
    assert (await town.ways.find(last="idp", user=town.alice)).straight is None


async def test_an_account_is_asked_only_for_what_it_has(town):
    town.providers["other"] = a_provider("other", issuer=OTHER_ISSUER)
    assert await town.ways.find(user=town.alice) == OpenWays(password=True, providers=())
    newcomer = (await town.enter_upstream(somebody("sub-bob", email="bob@other.test"))).user
    assert await town.ways.find(user=newcomer) == OpenWays(password=False, providers=(town.providers["idp"],))


async def test_passwords_close_with_the_first_administrator_who_comes_through_a_provider(town):
    """D-12: save, test, sign in for real, and only then close."""
    town.passwords_open = False
    assert (await town.ways.describe_password()).open
    await come_through(town)
    way = await town.ways.describe_password()
    assert (way.wanted, way.open, way.set_by) == (False, False, "file")
    assert await town.try_login("alice", GOOD, a_visitor()) == Refused(Failure.PASSWORDS_CLOSED)
    assert (await town.ways.find(user=town.alice)).password is False


@pytest.mark.parametrize(
    "loss",
    [
        lambda town: town.providers.clear(),
        lambda town: town.providers.update(idp=a_provider(enabled=False)),
        lambda town: town.providers.update(idp=a_provider(issuer=OTHER_ISSUER)),
        lambda town: town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now),
        lambda town: town.administration.delete_user(CLI, "alice", now=town.now),
        lambda town: town.ways.set_password(CLI, wanted=True, now=town.now),
    ],
)
async def test_passwords_are_open_again_when_the_way_that_was_proven_ends(town, loss):
    """A-28: never no way at all, whatever is taken away, and however."""
    await town.add_user("root", is_admin=True)
    town.passwords_open = False
    await come_through(town)
    assert not await town.ways.is_password_open()
    lost = loss(town)
    if lost is not None:
        await lost
    assert await town.ways.is_password_open()


async def test_another_administrator_who_came_through_keeps_them_closed(town):
    town.passwords_open = False
    await come_through(town)
    assert not await town.ways.is_password_open()
    await town.enter_upstream(somebody("sub-rosa", email="rosa@other.test", user_name="rosa"))
    async with town.store.records.transaction() as transaction:
        rosa = await transaction.find_user_by_login("rosa")
        await transaction.advance_user(rosa, replace(rosa, is_admin=True))
    await town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now)
    assert not await town.ways.is_password_open()


async def test_a_link_that_was_never_used_proves_nothing(town):
    town.passwords_open = False
    visitor = a_visitor()
    me = await town.check(await town.enter())
    await town.come_back(visitor, await town.leave_to_link(me, visitor), somebody(), subject=me)
    assert await town.ways.is_password_open()


async def test_switching_passwords_is_recorded_and_says_how_it_stands(town):
    await come_through(town)
    me = Actor(town.alice.id, town.alice.id, {"address": "203.0.113.7"})
    assert not (await town.ways.set_password(me, wanted=False, now=town.now)).open
    assert (await town.ways.set_password(me, wanted=None, now=town.now)).set_by == "file"
    town.passwords_open = False
    assert (await town.ways.set_password(CLI, wanted=True, now=town.now)).open
    events = [event for event in town.audit if event.act.value == "admin.sign_in_change"]
    assert [(event.actor, dict(event.public)) for event in events] == [
        (town.alice.id, {"password": "off", "open": "no"}),
        (town.alice.id, {"password": "file", "open": "yes"}),
        ("cli", {"password": "on", "open": "yes"}),
    ]
    assert events[0].private == {"address": "203.0.113.7"}


async def test_only_administrators_switch_passwords(town):
    bob = await town.add_user("bob")
    with pytest.raises(ForbiddenError):
        await town.ways.set_password(Actor(bob.id, bob.id), wanted=False, now=town.now)
    assert town.store.state.settings == {}


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({"settings": "{}"}, "provider_unreadable"),
        ({"client_secret": "gcm1:0123456789abcdef:AAAA"}, "provider_unreadable"),
        ({"settings": to_settings(a_provider("work", issuer=""))}, "provider_unusable"),
        ({"client_secret": ""}, "provider_unusable"),
    ],
)
async def test_a_provider_that_cannot_be_used_takes_no_other_along(town, changes, event):
    await store(town, a_provider("work", from_file=False), **changes)
    assert [each.id for each in (await town.ways.find()).providers] == ["idp"]
    assert await town.ways.find_provider("work") is None
    # Said once, not at every sign-in page.
    assert [name for name, _ in town.log.events] == [event]
    assert PASSWORD_SETTING not in town.store.state.settings


async def test_a_provider_that_was_moved_to_another_name_does_not_open(town):
    """What is sealed for one row opens in no other."""
    work = a_provider("work", from_file=False)
    await store(town, work)
    stored = town.store.state.providers["work"]
    async with town.store.records.transaction() as transaction:
        await transaction.put_provider(replace(stored, id="evil"))
    assert await town.ways.find_provider("evil") is None
    assert await town.ways.find_provider("work") is not None
