"""How far a provider's word goes: who may come in, with which address, groups, rights and name."""

import pytest

from doorward.rules.names import parse_group_name, parse_user_name
from doorward.rules.oidc import Failure
from doorward.rules.provider import GITHUB_ISSUER, GOOGLE_ISSUER, Kind
from doorward.rules.session import Method
from doorward.rules.upstream import (
    MAX_GROUPS,
    RESERVED_NAMES,
    MfaTrust,
    admit,
    display_name_of,
    groups_of,
    is_admin,
    methods_of,
    propose_user_names,
    verified_email,
)
from tests.fakes.upstream import a_provider, somebody

GOOGLE = {"kind": Kind.GOOGLE, "issuer": GOOGLE_ISSUER}


def with_claims(**claims):
    return somebody(claims=claims)


# Addresses


@pytest.mark.parametrize("told", [False, None, "false", "true", 1, [True], {}])
def test_an_address_counts_only_with_a_strict_yes(told):
    assert verified_email(a_provider(), somebody(email_verified=told)) == ""


def test_a_verified_address_is_made_canonical():
    assert verified_email(a_provider(), somebody(email="ALICE@Example.Test")) == "alice@example.test"


@pytest.mark.parametrize(
    "address", ["", "alice", "a@b@example.test", "älice@example.test", "x" * 300 + "@example.test"]
)
def test_what_is_no_address_of_ours_counts_for_nothing(address):
    assert verified_email(a_provider(), somebody(email=address)) == ""


@pytest.mark.parametrize(
    ("claims", "address"),
    [
        ({"email": "alice@example.test"}, "alice@example.test"),
        ({"email_verified": False}, ""),
        ({"email_verified": None}, ""),
        ({"email_verified": "false"}, ""),
    ],
)
def test_what_a_provider_does_not_say_may_be_assumed_but_not_what_it_denies(claims, address):
    provider = a_provider(assume_verified=True)
    silent = somebody(email_verified=False)
    answer = type(silent)(**{name: getattr(silent, name) for name in ("issuer", "subject", "email")}, claims=claims)
    assert verified_email(provider, answer) == address
    assert verified_email(a_provider(), answer) == ""


@pytest.mark.parametrize(
    ("address", "hosted", "counts"),
    [
        ("alice@gmail.com", None, True),
        ("alice@example.test", "example.test", True),
        ("alice@example.test", None, False),
        ("alice@example.test", "", False),
        ("alice@example.test", ["example.test"], False),
        ("alice@notgmail.com", None, False),
        ("alice@gmail.com.example.test", None, False),
    ],
)
@pytest.mark.parametrize("kind", [Kind.GOOGLE, Kind.OIDC])
def test_google_answers_only_for_addresses_it_gives_out(address, hosted, counts, kind):
    """Also where it is set up as any other provider, by its issuer."""
    answer = somebody(email=address, claims={"email_verified": True} | ({} if hosted is None else {"hd": hosted}))
    provider = a_provider(kind=kind, issuer=GOOGLE_ISSUER)
    assert verified_email(provider, answer) == (address if counts else "")


# Who may come in


def test_without_lists_everybody_may():
    assert admit(a_provider(), somebody(email="", email_verified=False)) is None


@pytest.mark.parametrize(
    ("lists", "let_in"),
    [
        ({"allowed_emails": {"alice@example.test"}}, True),
        ({"allowed_emails": {"Alice@Example.Test"}}, True),
        ({"allowed_emails": {"bob@example.test"}}, False),
        ({"allowed_domains": {"example.test"}}, True),
        ({"allowed_domains": {"Example.Test"}}, True),
        ({"allowed_domains": {"test"}}, False),
        ({"allowed_domains": {"ple.test", "@example.test", "sub.example.test", ""}}, False),
        ({"allowed_emails": {"bob@example.test"}, "allowed_domains": {"example.test"}}, True),
        ({"allowed_emails": {"alice@example.test"}, "allowed_domains": {"example.org"}}, True),
        ({"allowed_emails": {"bob@example.test"}, "allowed_domains": {"example.org"}}, False),
        ({"allowed_groups": {"staff"}}, True),
        ({"allowed_groups": {"Staff"}}, False),
        ({"allowed_groups": {"idp-staff"}}, False),
        ({"allowed_groups": {"staff", "boss"}, "allowed_domains": {"example.test"}}, True),
        ({"allowed_groups": {"boss"}, "allowed_domains": {"example.test"}}, False),
        ({"allowed_groups": {"staff"}, "allowed_domains": {"example.org"}}, False),
    ],
)
def test_addresses_are_one_condition_and_groups_another(lists, let_in):
    provider = a_provider(
        groups_claim="groups", groups_prefix="idp-", **{name: frozenset(words) for name, words in lists.items()}
    )
    answer = with_claims(groups=["staff", "guests"])
    assert admit(provider, answer) is (None if let_in else Failure.NOT_ALLOWED)


@pytest.mark.parametrize(
    "lists", [{"allowed_emails": {"alice@example.test", ""}}, {"allowed_domains": {"example.test", ""}}]
)
def test_no_list_of_addresses_lets_in_an_address_that_nobody_verified(lists):
    provider = a_provider(**{name: frozenset(words) for name, words in lists.items()})
    assert admit(provider, somebody(email_verified=False)) is Failure.NOT_ALLOWED
    assert admit(provider, somebody(email="")) is Failure.NOT_ALLOWED


def test_groups_that_are_asked_for_without_a_claim_are_nobodys():
    assert admit(a_provider(allowed_groups=frozenset({"staff"})), with_claims(groups=["staff"])) is Failure.NOT_ALLOWED


@pytest.mark.parametrize(
    ("claims", "let_in"),
    [
        ({"hd": "example.test"}, True),
        ({"hd": "Example.Test"}, True),
        ({"hd": "example.org"}, False),
        ({}, False),
        ({"hd": ["example.test"]}, False),
    ],
)
def test_at_google_a_domain_is_the_organisation_and_not_the_end_of_an_address(claims, let_in):
    provider = a_provider(**GOOGLE, allowed_domains=frozenset({"example.test", ""}))
    assert admit(provider, with_claims(email_verified=True, **claims)) is (None if let_in else Failure.NOT_ALLOWED)


# Groups


@pytest.mark.parametrize(
    ("path", "claims", "groups"),
    [
        ("groups", {"groups": ["staff", "Ops"]}, {"staff", "Ops"}),
        ("groups", {"groups": "staff"}, {"staff"}),
        ("groups", {"groups": "staff ops,boss"}, set()),
        ("groups", {"groups": {"staff": {"1": "example.test"}, "ops": {}}}, {"staff", "ops"}),
        ("groups", {"groups": ["staff", 7, None, True, ["ops"], {"boss": 1}]}, {"staff"}),
        ("groups", {"groups": 7}, set()),
        ("groups", {"groups": None}, set()),
        ("groups", {}, set()),
        ("", {"": ["staff"]}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["staff"]}}, {"staff"}),
        ("realm_access.roles", {"realm_access": ["roles"]}, set()),
        ("realm_access.roles", {"realm_access": {"role": ["staff"]}}, set()),
        ("realm_access.roles", {"realm_access.roles": ["flat"], "realm_access": {"roles": ["deep"]}}, {"flat"}),
        ("https://example.test/roles", {"https://example.test/roles": ["staff"]}, {"staff"}),
        ("access.app.example.test.roles", {"access": {"app.example.test": {"roles": ["staff"]}}}, {"staff"}),
        ("a.b.c", {"a.b": {"x": ["no"]}, "a": {"b": {"c": ["staff"]}}}, {"staff"}),
        ("a..b", {"a": {"": {"b": ["staff"]}}}, set()),
    ],
)
def test_groups_are_read_from_a_path(path, claims, groups):
    assert groups_of(a_provider(groups_claim=path), with_claims(**claims)) == groups


def test_a_renamed_group_gets_no_prefix_and_the_others_do():
    provider = a_provider(
        groups_claim="groups", groups_prefix="idp:", groups_rename=(("Domain Admins", "ops"), ("gone", ""))
    )
    groups = groups_of(provider, with_claims(groups=["Domain Admins", "staff", "gone", "ops"]))
    assert groups == {"ops", "idp:staff", "idp:ops"}


@pytest.mark.parametrize("word", ["", " ", "a b", "a,b", "a\nb", "ä", "x" * 65, "-a", "a-", "\ud800", "a\0"])
def test_what_is_no_group_name_grants_nothing(word):
    assert groups_of(a_provider(groups_claim="groups"), with_claims(groups=[word])) == set()


def test_there_is_an_end_to_groups():
    words = [f"g{number}" for number in range(MAX_GROUPS + 50)]
    groups = groups_of(a_provider(groups_claim="groups"), with_claims(groups=["", *words]))
    assert groups == {parse_group_name(word) for word in words[:MAX_GROUPS]}


# Administration


@pytest.mark.parametrize(
    ("claim", "value", "admin"),
    [
        (["staff", "root"], "root", True),
        (["Root"], "root", False),
        (["root "], "root", False),
        ("root", "root", True),
        ("roots", "root", False),
        ("root,staff", "root", False),
        ({"root": {}}, "root", True),
        (True, "true", True),
        (True, "True", False),
        (True, "yes", False),
        ("true", "true", True),
        (1, "true", False),
        (1, "1", False),
        (False, "false", False),
        ([True], "true", False),
        (["true"], "true", True),
        (None, "None", False),
        ([""], "", False),
        ("", "", False),
    ],
)
def test_administrators_are_made_by_exactly_the_value(claim, value, admin):
    provider = a_provider(admin_claim="is.admin", admin_value=value)
    assert is_admin(provider, with_claims(**{"is": {"admin": claim}})) is admin


def test_without_a_claim_to_look_at_nobody_is_made_an_administrator():
    assert not is_admin(a_provider(admin_value="root"), with_claims(groups=["root"], **{"": "root"}))
    assert not is_admin(a_provider(admin_claim="groups", admin_value="root"), with_claims())


# How they proved it


@pytest.mark.parametrize(
    ("trusts", "amr", "acr", "second"),
    [
        (True, {"pwd", "otp"}, "", True),
        (True, {"pwd"}, "", False),
        (True, set(), "gold", True),
        (True, set(), "silver", False),
        (True, set(), "", False),
        (False, {"mfa"}, "gold", False),
    ],
)
def test_a_second_factor_counts_where_the_providers_word_on_it_does(trusts, amr, acr, second):
    trust = MfaTrust(acr=frozenset({"gold", ""}))
    methods = methods_of(a_provider(trust_mfa=trusts), somebody(amr=frozenset(amr), acr=acr), trust)
    assert methods == {Method.UPSTREAM} | ({Method.UPSTREAM_MFA} if second else set())


# Names


@pytest.mark.parametrize(("name", "shown"), [(" Alice ", "Alice"), ("", ""), ("\u202eecilA", ""), ("x" * 500, "")])
def test_a_name_that_cannot_be_shown_is_none(name, shown):
    assert display_name_of(somebody(name=name)) == shown


@pytest.mark.parametrize(
    ("user_name", "address", "first"),
    [
        ("alice", "a@example.test", "alice"),
        ("Alice Liddell", "a@example.test", "alice-liddell"),
        ("alice@corp.example", "a@example.test", "alice"),
        ("..--__", "bob.b@example.test", "bob.b"),
        ("", "bob@example.test", "bob"),
        ("x" * 300, "", "x" * 56),
        ("a" * 55 + "-b", "", "a" * 55),
        ("\U0001f600", "", "user-000102030405"),
        ("\ud800", "", "user-000102030405"),
    ],
)
def test_a_user_name_is_made_of_what_there_is(user_name, address, first):
    names = list(
        propose_user_names(a_provider(), somebody(user_name=user_name, email=address), entropy=bytes(range(6)))
    )
    assert names[0] == first
    assert names[-1] == "user-000102030405"
    assert [parse_user_name(name) for name in names] == names
    assert len(set(names)) == len(names)


def test_an_address_nobody_verified_lends_its_name_to_nobody():
    answer = somebody(user_name="", email="root@example.test", email_verified=False)
    assert list(propose_user_names(a_provider(), answer, entropy=bytes(6))) == ["user-000000000000"]


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
@pytest.mark.parametrize("spelling", ["{}", " {}", "-{}.", "{}@corp.example"])
def test_a_name_that_apps_take_for_somebody_special_is_given_to_nobody(name, spelling):
    answer = somebody(user_name=spelling.format(name.title()), email=f"{name}@example.test")
    names = list(propose_user_names(a_provider(), answer, entropy=bytes(6)))
    assert names[0] == f"{name}-2"
    assert RESERVED_NAMES.isdisjoint(names)


def test_a_taken_name_gets_a_number():
    names = list(propose_user_names(a_provider(), somebody(user_name="bob", email=""), entropy=bytes(6)))
    assert names[:3] == ["bob", "bob-2", "bob-3"]


def test_github_is_read_like_the_others():
    provider = a_provider(kind=Kind.GITHUB, issuer=GITHUB_ISSUER)
    assert verified_email(provider, somebody()) == "alice@example.test"
