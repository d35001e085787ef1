"""A provider's word only narrows where it is told to, and only goes as far as it is let."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.names import parse_email, parse_group_name, parse_user_name
from doorward.rules.oidc import Authenticated
from doorward.rules.provider import GOOGLE_ISSUER, Kind
from doorward.rules.upstream import MAX_GROUPS, admit, groups_of, is_admin, propose_user_names, verified_email
from tests.fakes.upstream import ISSUER, a_provider

WORDS = st.sampled_from(["staff", "ops", "root", "Domain Admins", "idp:staff", "ä", "", "x" * 70, "a,b"]) | st.text(
    max_size=8
)
ADDRESSES = st.sampled_from(
    ["alice@example.test", "Bob@Example.Test", "eve@gmail.com", "root@corp.test", "", "nobody", "a@b@c"]
) | st.text(max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | WORDS
CLAIMS = st.dictionaries(
    st.sampled_from(["groups", "email_verified", "hd", "a", "a.b", "roles", "email"]),
    SCALARS | st.lists(SCALARS, max_size=5) | st.dictionaries(WORDS, SCALARS | st.lists(WORDS, max_size=3), max_size=4),
    max_size=6,
)
PATHS = st.sampled_from(["", "groups", "a.b", "a.b.groups", "roles", "hd", "email_verified"])
PEOPLE = st.builds(
    Authenticated,
    issuer=st.just(ISSUER),
    subject=WORDS,
    email=ADDRESSES,
    email_verified=SCALARS,
    name=st.text(max_size=12),
    user_name=st.text(max_size=12),
    claims=CLAIMS,
)
LISTS = st.frozensets(WORDS | ADDRESSES, max_size=3)
RENAMES = st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple)
PROVIDERS = st.builds(
    a_provider,
    kind=st.sampled_from(Kind),
    issuer=st.sampled_from([ISSUER, GOOGLE_ISSUER]),
    groups_claim=PATHS,
    groups_rename=RENAMES,
    groups_prefix=st.sampled_from(["", "idp:", "idp-", ",", " "]),
    admin_claim=PATHS,
    admin_value=WORDS,
    allowed_emails=LISTS,
    allowed_domains=LISTS,
    allowed_groups=LISTS,
    assume_verified=st.booleans(),
)
NO_LIST = frozenset[str]()


@given(PROVIDERS, PEOPLE)
def test_a_list_that_is_added_never_lets_anybody_in(provider, person):
    """Addresses and domains are one list in two parts; groups are another."""
    if admit(provider, person) is None:
        assert admit(replace(provider, allowed_groups=NO_LIST), person) is None
        assert admit(replace(provider, allowed_emails=NO_LIST, allowed_domains=NO_LIST), person) is None


@given(PROVIDERS, PEOPLE)
def test_without_lists_nobody_is_kept_out(provider, person):
    unlisted = replace(provider, allowed_emails=NO_LIST, allowed_domains=NO_LIST, allowed_groups=NO_LIST)
    assert admit(unlisted, person) is None


@given(PROVIDERS, PEOPLE, LISTS)
def test_a_longer_list_keeps_nobody_out(provider, person, more):
    if provider.allowed_groups and admit(provider, person) is None:
        assert admit(replace(provider, allowed_groups=provider.allowed_groups | more), person) is None


@given(PROVIDERS, PEOPLE)
def test_an_address_nobody_vouched_for_never_counts(provider, person):
    email = verified_email(provider, person)
    said = person.claims.get("email_verified", "silent")
    if email:
        assert person.email_verified is True or (provider.assume_verified and said == "silent")
        assert email == parse_email(person.email)
    if person.email_verified is not True and not provider.assume_verified:
        assert email == ""
        if provider.allowed_emails and not provider.allowed_domains:
            assert admit(provider, person) is not None


@given(PROVIDERS, PEOPLE)
def test_no_group_escapes_renaming_and_prefix(provider, person):
    groups = groups_of(provider, person)
    renamed = {ours for _, ours in provider.groups_rename}
    assert len(groups) <= MAX_GROUPS
    for group in groups:
        assert parse_group_name(group) == group
        assert group in renamed or group.startswith(provider.groups_prefix)
    if not provider.groups_claim:
        assert groups == set()


@given(PROVIDERS, PEOPLE)
def test_nobody_is_made_an_administrator_by_saying_nothing(provider, person):
    if is_admin(provider, person):
        assert provider.admin_claim
        assert provider.admin_value
        assert not is_admin(provider, replace(person, claims={}))


@given(PROVIDERS, PEOPLE, st.binary(min_size=6, max_size=6))
def test_every_proposed_name_is_one(provider, person, entropy):
    names = list(propose_user_names(provider, person, entropy=entropy))
    assert names[-1] == f"user-{entropy.hex()}"
    for name in names:
        assert parse_user_name(name) == name
