"""What becomes of accounts from elsewhere, and that nothing is done which was not shown."""

import json
from dataclasses import replace

import pytest

from doorward.errors import ConflictError, ForbiddenError, InputError
from doorward.flows.admin import CLI, Actor
from doorward.flows.importing import Source
from doorward.rules import authelia_file, traefik_manager_file, users_file
from doorward.rules.importing import (
    LAST,
    MOST_ACCOUNTS,
    MOST_PROBLEMS,
    OWN,
    Choices,
    Deed,
    Form,
    Incoming,
    Origin,
    Problem,
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


# --- the files


def problems_of(reading):
    assert reading.accounts == ()
    return [problem.sentence for problem in reading.problems]


def test_every_account_of_authelia_is_read():
    tree = {
        "users": {
            "John": {
                "password": THEIRS,
                "displayname": "John Doe",
                "email": "John@Example.test",
                "groups": ("a", "b"),
                "disabled": True,
                "nickname": "J",
            },
            "kim": {"password": THEIRS, "displayname": "", "groups": None},
        }
    }
    reading = authelia_file.read_authelia(tree)
    john, kim = reading.accounts
    assert (john.name, john.display_name, john.email) == ("john", "John Doe", "john@example.test")
    assert (john.groups, john.enabled, john.is_admin, john.password) == (frozenset("ab"), False, None, HASH)
    assert (kim.name, kim.display_name, kim.email, kim.enabled) == ("kim", "kim", "", True)
    assert [notice.sentence for notice in reading.notices] == [
        "users: not imported, for there is no place for it here: nickname"
    ]


def test_all_problems_of_authelia_are_told_at_once():
    tree = {
        "users": {
            "jo hn": {"password": "secret", "displayname": 7, "email": "x", "groups": "a", "disabled": "no"},
            "kim": {"password": THEIRS, "groups": ("ok", 3, "not ok"), "email": "kim@example.test"},
            "KIM": {"password": THEIRS, "email": "kim@example.test"},
            "eve": 3,
        }
    }
    found = problems_of(authelia_file.read_authelia(tree))
    assert [one.partition(":")[0] for one in found] == [
        "users.jo hn.displayname",
        "users.jo hn",
        "users.jo hn.email",
        "users.jo hn.groups",
        "users.jo hn.disabled",
        "users.jo hn.password",
        "users.kim.groups[1]",
        "users.kim.groups[2]",
        "users.KIM",
        "users.KIM.email",
        "users.eve",
    ]
    assert "each account has its own" in found[8]
    assert problems_of(authelia_file.read_authelia({"users": {}})) == ["users: there is no account in it"]
    assert problems_of(authelia_file.read_authelia({"users": ()}))


def test_very_many_accounts_or_problems_are_not_read_out():
    many = {"users": {f"u{at}": {} for at in range(MOST_PROBLEMS + 1)}}
    found = problems_of(authelia_file.read_authelia(many))
    assert len(found) == MOST_PROBLEMS + 1
    assert found[-1] == "users: 1 more problems are not told"
    form = Form()
    reading = form.finish([ANN] * (MOST_ACCOUNTS + 1), "users")
    assert problems_of(reading) == [f"users: 5001 accounts are too many for one file -- at most {MOST_ACCOUNTS}"]


def read_manager(unseal=None, *, name="admin", email="", without_totp=False, **tree):
    tree = {"password_hash": THEIRS, **tree}
    return traefik_manager_file.read_traefik_manager(
        tree, name=name, email=email, unseal=unseal, without_totp=without_totp
    )


BASE32 = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def test_the_account_of_a_traefik_manager_administers_and_has_the_name_it_is_given():
    """A-15, A-44."""
    reading = read_manager(
        email="boss@example.test",
        must_change_password=True,
        otp_enabled=True,
        otp_secret=BASE32.lower(),
        oidc_enabled=True,
        api_keys=({},),
    )
    (account,) = reading.accounts
    assert (account.name, account.email, account.is_admin) == ("admin", "boss@example.test", True)
    assert (account.must_change_password, account.password, len(account.totp)) == (True, HASH, 20)
    assert [notice.path for notice in reading.notices] == ["manager.yml.api_keys", "manager.yml.oidc_enabled"]
    assert read_manager(otp_enabled=False, otp_secret="gAAAAAx").accounts[0].totp == b""


def test_a_sealed_second_factor_is_opened_or_it_is_a_problem():
    """A-16, T-04."""

    def refuse(_text):
        raise InputError("this does not open")

    sealed = {"otp_enabled": True, "otp_secret": "gAAAAAx"}
    assert read_manager(lambda text: BASE32, **sealed).accounts[0].totp
    assert "this does not open" in problems_of(read_manager(refuse, **sealed))[0]
    assert "--fernet-key-file" in problems_of(read_manager(None, **sealed))[0]
    assert read_manager(None, without_totp=True, **sealed).accounts[0].totp == b""
    for wrong in ("", "A", "1!", "JBSWY3DP", "A" * 200):
        assert problems_of(read_manager(otp_enabled=True, otp_secret=wrong))


def test_a_traefik_manager_without_a_password_gives_no_account():
    assert "no password has been set" in problems_of(read_manager(password_hash=""))[0]
    assert problems_of(read_manager(password_hash="$6$x"))


def test_our_own_file_comes_back_as_it_was():
    written = users_file.write_users([ANN, BOB], secrets=True, now=START)
    ann, bob = users_file.read_users(written.encode()).accounts
    assert ann == ANN
    assert bob == replace(BOB, is_admin=False, console_only=False, language="")
    assert HASH not in users_file.write_users([ANN], secrets=False, now=START)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], "the file"),
        ({"format": "x"}, "format"),
        ({"version": 2}, "version"),
        ({"more": 1}, "more"),
        ({"users": {}}, "users"),
        ({"users": [3]}, "users[0]"),
        ({"users": [{"name": "a", "x": 1}]}, "users[0].x"),
        ({"users": [{"name": 1}]}, "users[0]"),
        ({"users": [{"name": "a", "language": "xx"}]}, "users[0].language"),
        ({"users": [{"name": "a", "password": "secret"}]}, "users[0].password"),
        ({"users": [{"name": "a", "totp": "!"}]}, "users[0].totp"),
    ],
)
def test_what_is_wrong_with_our_own_file_is_said_with_its_place(document, place):
    good = {"format": "doorward-users", "version": 1, "users": []}
    raw = json.dumps({**good, **document} if isinstance(document, dict) else document).encode()
    assert users_file.read_users(raw).problems[0].path == place


def test_a_problem_tells_its_place_and_what_to_do():
    assert Problem("a.b", "wrong", "mend it").sentence == "a.b: wrong -- mend it"
