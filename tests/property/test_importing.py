"""Whatever a file of accounts holds: it is read, or its problems are told, and nothing else ever happens."""

import json

from hypothesis import given
from hypothesis import strategies as st

from doorward.app.importing import read_source
from doorward.errors import InputError
from doorward.flows.importing import Source
from doorward.rules.importing import Choices, Deed, Incoming, Origin, make_plan, make_token
from doorward.rules.names import parse_display_name, parse_email, parse_group_name, parse_user_name
from doorward.rules.password_hash import parse_foreign, read_hash
from doorward.rules.users_file import read_users, write_users
from tests.contract.samples import a_user
from tests.fakes.system import START

HASHES = st.sampled_from(
    [
        "",
        "$2b$04$aII.dPu9tnn9tgD1Bn1FT.Mc.bWUy16EBQhTpQiqCuCo.E3jf.2TO",
        "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44",
        "$5$rounds=1400$anotherlongsalts$KSXHsxapk1Zpmc6O/ffqnUUeaIRPLCeRDjZ78KOJ8X1",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | HASHES
FIELDS = st.sampled_from(
    ["password", "displayname", "email", "groups", "disabled", "name", "admin", "enabled", "totp", "otp_secret", "x"]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5), max_leaves=10
)
TREES = st.dictionaries(
    st.sampled_from(["users", "password_hash", "otp_enabled", "otp_secret", "format", "version"]), VALUES, max_size=4
)


def is_sound(account):
    """What is read can be stored, compared and signed in with."""
    assert parse_user_name(account.name) == account.name
    assert parse_display_name(account.display_name) == account.display_name
    assert account.email == "" or parse_email(account.email) == account.email
    assert all(parse_group_name(group) == group for group in account.groups)
    assert account.password == "" or read_hash(account.password) is not None


@given(TREES, st.sampled_from([None, *Origin]))
def test_any_tree_is_read_or_refused_with_its_places(tree, origin):
    try:
        reading = read_source(Source(raw=json.dumps(tree).encode(), origin=origin)).reading
    except InputError:
        assert origin is None
        return
    assert bool(reading.accounts) != bool(reading.problems)
    assert all(problem.path and problem.message for problem in reading.problems)
    for account in reading.accounts:
        is_sound(account)


@given(st.binary(max_size=300), st.sampled_from([None, *Origin]))
def test_any_bytes_are_read_or_refused(raw, origin):
    try:
        reading = read_source(Source(raw=raw, origin=origin)).reading
    except InputError:
        return
    assert bool(reading.accounts) != bool(reading.problems)


@given(
    st.text(max_size=600)
    | st.sampled_from(["$2b$", "$6$", "$scrypt$", "$argon2id$", "$pbkdf2-"]).flatmap(
        lambda begin: st.text(alphabet="$,=0123456789abcmnprtvlx./A", max_size=120).map(begin.__add__)
    )
)
def test_any_text_is_a_hash_that_can_be_checked_or_is_refused(text):
    try:
        stored = parse_foreign(text)
    except InputError:
        return
    assert read_hash(stored) is not None


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
ACCOUNTS = st.lists(
    st.builds(
        Incoming,
        path=st.just(""),
        name=NAMES,
        display_name=st.text("abc üñ", min_size=1, max_size=8).filter(str.strip).map(str.strip),
        email=st.just("") | NAMES.map("{}@example.test".format),
        groups=st.frozensets(NAMES, max_size=3),
        enabled=st.booleans(),
        is_admin=st.booleans(),
        must_change_password=st.booleans(),
        console_only=st.booleans(),
        language=st.sampled_from(["", "de", "en"]),
        password=HASHES.map(lambda text: parse_foreign(text) if text else ""),
        totp=st.just(b"") | st.binary(min_size=10, max_size=64),
    ),
    min_size=1,
    max_size=6,
    unique_by=(lambda one: one.name, lambda one: one.email or one.name),
)


@given(ACCOUNTS)
def test_what_is_exported_comes_back_as_it_was(accounts):
    """D-40."""
    reading = read_users(write_users(accounts, secrets=True, now=START).encode())
    assert [(one.name, one.display_name, one.email, one.groups) for one in reading.accounts] == [
        (one.name, one.display_name, one.email, one.groups) for one in accounts
    ]
    assert [(one.password, one.totp, one.is_admin, one.language) for one in reading.accounts] == [
        (one.password, one.totp, one.is_admin, one.language) for one in accounts
    ]


USERS = st.lists(
    st.builds(
        lambda name, email, **more: a_user(name, email=email, **more),
        NAMES,
        st.just("") | NAMES.map("{}@example.test".format),
        is_admin=st.booleans(),
        enabled=st.booleans(),
    ),
    max_size=6,
    unique_by=(lambda one: one.name, lambda one: one.email or one.name, lambda one: one.id),
)
CHOICES = st.builds(Choices, st.booleans(), st.booleans(), st.frozensets(NAMES, max_size=2))


@given(ACCOUNTS, USERS, CHOICES, st.data())
def test_no_plan_takes_what_is_not_given_or_leaves_nobody_to_administer(accounts, users, choices, data):
    actor = data.draw(st.sampled_from(["", *(user.id for user in users)]))
    steps = make_plan(accounts, users, choices, actor=actor)
    assert [step.incoming for step in steps] == accounts
    assert make_token(b"file", choices, steps) == make_token(
        b"file", choices, make_plan(accounts, users, choices, actor=actor)
    )
    after = {user.id: user for user in users}
    for step in steps:
        assert (step.deed is Deed.CHANGE) == (step.wanted is not None)
        if step.wanted is not None:
            assert choices.overwrite
            assert step.wanted.id != actor
            assert step.incoming.name not in choices.skip
            assert choices.keep_admin or step.wanted.is_admin == after[step.wanted.id].is_admin
            assert step.wanted.name == after[step.wanted.id].name
            after[step.wanted.id] = step.wanted
    # Names and addresses stay everybody's own.
    taken = [*after.values()]
    emails = [user.email for user in taken if user.email]
    emails += [step.incoming.email for step in steps if step.deed is Deed.ADD and step.incoming.email]
    names = [user.name for user in taken] + [step.incoming.name for step in steps if step.deed is Deed.ADD]
    assert len(names) == len(set(names))
    assert len(emails) == len(set(emails))
    if any(user.administers and user.enabled for user in users):
        assert any(user.administers and user.enabled for user in after.values())
