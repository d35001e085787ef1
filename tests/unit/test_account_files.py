"""Files of accounts from elsewhere: every account is read, or every problem is told."""

import json
from dataclasses import replace

import pytest

from doorward.errors import InputError
from doorward.rules import authelia_file, traefik_manager_file, users_file
from doorward.rules.importing import MOST_ACCOUNTS, MOST_PROBLEMS, Form, Incoming, Problem
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


def test_what_is_left_out_is_not_looked_at():
    skip = frozenset({"jo hn"})
    tree = {"users": {"jo hn": {"password": "?"}, "kim": {"password": THEIRS}}}
    assert [one.name for one in authelia_file.read_authelia(tree, skip).accounts] == ["jo hn", "kim"]
    document = {"format": "doorward-users", "version": 1, "users": [{"name": "jo hn", "x": 1}, {"name": "kim"}]}
    assert [one.name for one in users_file.read_users(json.dumps(document).encode(), skip).accounts] == ["jo hn", "kim"]


@pytest.mark.parametrize(
    "more",
    [
        {"email": "feed@example.test"},
        {"password": HASH},
        {"totp": "GEZDGNBVGY3TQOJQGEZDGNBV"},
        {"must_change_password": True},
        {"console_only": True},
    ],
)
def test_a_service_has_nothing_to_sign_in_with(more):
    """A-18."""
    plain = {"name": "feed", "service": True}
    document = {"format": "doorward-users", "version": 1, "users": [plain]}
    (feed,) = users_file.read_users(json.dumps(document).encode()).accounts
    assert feed.is_service
    document["users"] = [{**plain, **more}]
    (problem,) = problems_of(users_file.read_users(json.dumps(document).encode()))
    assert problem.startswith("users[0]: a service has neither address nor password")


def test_an_account_says_that_it_is_a_service_only_where_it_is():
    """A file is read by the version before as long as no service is in it."""
    written = users_file.write_users([BOB], secrets=True, now=START)
    assert '"service"' not in written
    assert '"service": true' in users_file.write_users([replace(BOB, is_service=True)], secrets=True, now=START)
