"""What becomes of accounts from elsewhere, and that nothing is done which was not shown."""

from dataclasses import replace

import pytest

from doorward.errors import ConflictError, ForbiddenError, InputError
from doorward.flows.admin import CLI, Actor
from doorward.flows.importing import Source
from doorward.rules import users_file
from doorward.rules.importing import (
    LAST,
    OTHER_KIND,
    OWN,
    Choices,
    Deed,
    Incoming,
    Origin,
)
from doorward.rules.letter import LetterKind
from tests.fakes.flows import Town, a_visitor
from tests.fakes.system import START

HASH = "bcrypt$2b$04$aII.dPu9tnn9tgD1Bn1FT.Mc.bWUy16EBQhTpQiqCuCo.E3jf.2TO"
THEIRS = HASH.removeprefix("bcrypt")
SECRET = b"0123456789abcdefghij"
ANN = Incoming(
    path="users[0]",
    name="ann",
    display_name="Ann",
    email="ann@example.test",
    groups=frozenset({"staff"}),
    is_admin=True,
    language="de",
    console_only=True,
    password=HASH,
    totp=SECRET,
)
BOB = Incoming(path="users[1]", name="bob", display_name="Bob", enabled=False, must_change_password=True)
EVERYTHING = Choices(keep_admin=True, overwrite=True)


def source(*accounts, **more):
    raw = users_file.write_users(accounts, secrets=True, now=START).encode()
    return Source(raw=raw, origin=Origin.DOORWARD, **more)


@pytest.fixture
def town():
    return Town()


@pytest.fixture
def importing(town):
    return town.flows.importing


async def apply(town, given, choices=EVERYTHING, actor=CLI):
    preview = await town.flows.importing.preview(actor, given, choices)
    return await town.flows.importing.apply(actor, given, choices, preview.token, now=town.now)


async def user_of(town, name):
    async with town.store.records.transaction() as transaction:
        return await transaction.find_user_by_login(name)


def deeds(preview):
    return {step.incoming.name: (step.deed, step.reason) for step in preview.steps}


async def test_a_preview_writes_nothing_and_what_is_applied_is_what_it_showed(town, importing):
    """D-40."""
    preview = await importing.preview(CLI, source(ANN, BOB), EVERYTHING)
    assert deeds(preview) == {"ann": (Deed.ADD, ""), "bob": (Deed.ADD, "")}
    assert preview.token
    assert not preview.applied
    assert town.acts() == []
    applied = await importing.apply(CLI, source(ANN, BOB), EVERYTHING, preview.token, now=town.now)
    assert applied == replace(preview, applied=True)
    ann, bob = await user_of(town, "ann"), await user_of(town, "bob")
    assert (ann.is_admin, ann.groups, ann.language, ann.console_only, ann.enabled) == (
        True,
        frozenset({"staff"}),
        "de",
        True,
        True,
    )
    assert (bob.is_admin, bob.enabled, bob.must_change_password, bob.display_name) == (False, False, True, "Bob")
    async with town.store.records.transaction() as transaction:
        assert await transaction.is_set_up()
        assert await transaction.find_password(bob.id) is None
        assert (await transaction.find_factors(ann.id)).totp is not None


async def test_every_account_has_a_record_of_its_own(town):
    await apply(town, source(ANN, BOB))
    assert town.acts() == ["admin.user_import"] * 2
    ann = town.audit[0]
    assert ann.public == {
        "deed": "add",
        "from": "doorward",
        "admin": "yes",
        "enabled": "yes",
        "groups": "staff",
        "password": "yes",
        "totp": "yes",
    }
    assert ann.private == {"name": "ann"}


async def test_one_account_that_cannot_be_written_undoes_all(town, importing):
    """All of it in one transaction, or none."""
    token = (await importing.preview(CLI, source(ANN, BOB), EVERYTHING)).token
    town.store.broken = True
    with pytest.raises(Exception, match="broken"):
        await importing.apply(CLI, source(ANN, BOB), EVERYTHING, token, now=town.now)
    town.store.broken = False
    assert await user_of(town, "ann") is None
    assert town.acts() == []


async def test_an_administrator_is_one_only_if_that_is_said(town):
    await apply(town, source(ANN), Choices())
    assert not (await user_of(town, "ann")).is_admin
    async with town.store.records.transaction() as transaction:
        assert not await transaction.is_set_up()


async def test_what_is_here_stays_unless_it_is_said(town, importing):
    await town.add_user("ann", email="ann@example.test")
    preview = await importing.preview(CLI, source(ANN), Choices(keep_admin=True))
    assert deeds(preview) == {"ann": (Deed.TAKEN, "there is an account of this name")}
    assert preview.token == ""
    with pytest.raises(ConflictError):
        await importing.apply(CLI, source(ANN), Choices(keep_admin=True), "", now=town.now)


async def test_an_address_of_somebody_else_is_never_taken(town, importing):
    await town.add_user("kim", email="ann@example.test")
    preview = await importing.preview(CLI, source(ANN), EVERYTHING)
    assert deeds(preview) == {"ann": (Deed.TAKEN, "the address ann@example.test is that of kim")}


async def test_whoever_is_overwritten_signs_in_again_and_is_told(town):
    """J04."""
    await town.add_user("root", is_admin=True)
    before = await town.add_user("ann", email="old@example.test", is_admin=True)
    await town.enter("ann")
    await apply(town, source(replace(ANN, is_admin=None)))
    after = await user_of(town, "ann")
    assert after.generation == before.generation + 1
    assert (after.email, after.is_admin) == ("ann@example.test", False)
    assert not town.store.state.sessions
    assert town.flows.importing._outbox.sent() == [
        (LetterKind.EMAIL_CHANGED.value, "old@example.test"),
        (LetterKind.PASSWORD_CHANGED.value, "ann@example.test"),
        (LetterKind.FACTOR_ADDED.value, "ann@example.test"),
    ]


async def test_what_the_file_does_not_say_stays(town):
    """Authelia says nothing of who administers; an account without a hash keeps its password."""
    await town.add_user("root", is_admin=True)
    await town.add_user("bob", is_admin=True, email="")
    given = Source(raw=b"users: {bob: {displayname: Robert, password: '%s'}}" % THEIRS.encode())
    preview = await town.flows.importing.preview(CLI, given, EVERYTHING)
    assert [one.what for one in preview.steps[0].differences] == ["name to show", "password"]
    await apply(town, given)
    assert (await user_of(town, "bob")).is_admin
    await apply(town, source(replace(BOB, is_admin=True)))
    bob = await user_of(town, "bob")
    assert (bob.enabled, bob.is_admin, bob.display_name) == (False, True, "Bob")
    assert (await town.flows.importing.preview(CLI, source(replace(BOB, is_admin=True)), EVERYTHING)).steps[
        0
    ].deed is Deed.SAME


async def test_making_somebody_who_is_here_the_first_administrator_closes_the_setup(town):
    """R01."""
    await town.add_user("ann", email="ann@example.test")
    await apply(town, source(ANN))
    async with town.store.records.transaction() as transaction:
        assert await transaction.is_set_up()


async def test_the_last_administrator_stays_one(town, importing):
    """R05."""
    await town.add_user("ann", is_admin=True)
    await town.add_user("bob")
    changed = replace(ANN, enabled=False), replace(BOB, enabled=True)
    preview = await importing.preview(CLI, source(*changed), EVERYTHING)
    assert deeds(preview) == {"ann": (Deed.TAKEN, LAST), "bob": (Deed.CHANGE, "")}


async def test_nobody_gives_themselves_another_password_by_a_file(town, importing):
    ann = await town.add_user("ann", is_admin=True)
    actor = Actor(ann.id, ann.id)
    preview = await importing.preview(actor, source(ANN), EVERYTHING)
    assert deeds(preview) == {"ann": (Deed.TAKEN, OWN)}


async def test_only_administrators_import_and_export(town, importing):
    bob = await town.add_user("bob")
    actor = Actor(bob.id, bob.id)
    with pytest.raises(ForbiddenError):
        await importing.preview(actor, source(ANN), EVERYTHING)
    with pytest.raises(ForbiddenError):
        await importing.apply(actor, source(ANN), EVERYTHING, "x", now=town.now)
    with pytest.raises(ForbiddenError):
        await importing.export(actor, secrets=True, now=town.now)


async def test_a_token_is_good_for_this_file_these_choices_and_these_accounts(town, importing):
    """D-40."""
    token = (await importing.preview(CLI, source(ANN), EVERYTHING)).token
    for given, choices in (
        (source(replace(ANN, display_name="Anne")), EVERYTHING),
        (source(ANN), Choices(keep_admin=True)),
        (source(ANN, without_totp=True), EVERYTHING),
    ):
        with pytest.raises(ConflictError):
            await importing.apply(CLI, given, choices, token, now=town.now)
    with pytest.raises(ConflictError):
        await importing.apply(CLI, source(ANN), EVERYTHING, "", now=town.now)
    await town.add_user("ann", email="")
    with pytest.raises(ConflictError):
        await importing.apply(CLI, source(ANN), EVERYTHING, token, now=town.now)


async def test_an_account_is_left_out_where_that_is_asked(town, importing):
    preview = await importing.preview(CLI, source(ANN, BOB), Choices(skip=frozenset({"bob"})))
    assert deeds(preview) == {"ann": (Deed.ADD, ""), "bob": (Deed.SKIP, "left out, as asked")}
    assert preview.count(Deed.SKIP) == 1
    await apply(town, source(ANN, BOB), Choices(skip=frozenset({"bob"})))
    assert await user_of(town, "bob") is None
    wrong = await importing.preview(CLI, source(ANN), Choices(skip=frozenset({"eve"})))
    assert [problem.path for problem in wrong.problems] == ["--skip"]
    assert wrong.token == ""


async def test_a_file_with_problems_is_not_applied(town, importing):
    given = Source(raw=b'{"format": "doorward-users", "version": 1, "users": [{"name": "ann", "wrong": 1}]}')
    preview = await importing.preview(CLI, given, EVERYTHING)
    assert preview.problems
    assert preview.steps == ()
    with pytest.raises(InputError, match="there is no such key"):
        await importing.apply(CLI, given, EVERYTHING, "x", now=town.now)


async def test_an_export_holds_everybody_and_secrets_only_if_asked(town, importing):
    await apply(town, source(ANN, BOB))
    plain = await importing.export(CLI, secrets=False, now=town.now)
    assert [(one.name, one.password, one.totp) for one in plain] == [("ann", "", b""), ("bob", "", b"")]
    full = await importing.export(CLI, secrets=True, now=town.now)
    assert [(one.name, one.password, one.totp) for one in full] == [("ann", HASH, SECRET), ("bob", "", b"")]
    assert [event.public for event in town.audit[-2:]] == [
        {"count": "2", "secrets": "no"},
        {"count": "2", "secrets": "yes"},
    ]
    assert town.acts()[-1] == "admin.users_export"


async def test_the_second_factor_that_came_along_is_asked_for(town):
    """A-15."""
    await town.add_user("ann", email="ann@example.test")
    await apply(town, source(replace(ANN, password="")), Choices(overwrite=True))
    outcome = await town.try_login("ann", "Tr4vel-by-Night!", a_visitor())
    assert type(outcome).__name__ == "Continued"


def test_no_secret_shows_when_an_account_is_printed():
    for shown in (repr(ANN), repr(Source(raw=b"sec-ret", fernet_key="sec-ret"))):
        assert HASH not in shown
        assert "sec-ret" not in shown
        assert "0123456789" not in shown


FEED = Incoming(path="users[2]", name="feed", display_name="Feed", is_admin=True, is_service=True)


async def test_a_service_comes_as_one_and_without_its_keys(town, importing):
    """A-18, D-40: nor is it the first administrator, who has to be somebody."""
    preview = await importing.preview(CLI, source(FEED), EVERYTHING)
    assert ("service", "yes, and comes without its keys") in [
        (each.what, each.after) for each in preview.steps[0].differences
    ]
    await apply(town, source(FEED))
    feed = await user_of(town, "feed")
    assert (feed.is_service, feed.is_admin) == (True, True)
    async with town.store.records.transaction() as transaction:
        assert not await transaction.is_set_up()
        assert await transaction.list_app_keys() == []
    await apply(town, source(replace(FEED, display_name="Feeds")))
    async with town.store.records.transaction() as transaction:
        assert not await transaction.is_set_up()
    exported = await importing.export(CLI, secrets=True, now=town.now)
    assert [(one.name, one.is_service) for one in exported] == [("feed", True)]


@pytest.mark.parametrize(("here", "there"), [(FEED, replace(BOB, name="feed")), (BOB, replace(FEED, name="bob"))])
async def test_a_service_becomes_nobody_who_signs_in_and_a_person_no_service(town, importing, here, there):
    await apply(town, source(here))
    preview = await importing.preview(CLI, source(there), EVERYTHING)
    assert deeds(preview) == {here.name: (Deed.TAKEN, OTHER_KIND)}


async def test_a_service_is_not_the_administrator_who_remains(town, importing):
    """R05."""
    await town.add_user("ann", is_admin=True)
    await apply(town, source(FEED))
    preview = await importing.preview(CLI, source(replace(ANN, enabled=False)), EVERYTHING)
    assert deeds(preview) == {"ann": (Deed.TAKEN, LAST)}
