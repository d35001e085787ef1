"""There is never no way to sign in, and switching one way off touches no other (D-12, A-28)."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.identity import User
from doorward.rules.provider import Provider
from doorward.rules.upstream import Identity
from doorward.rules.ways import PasswordWay, decide_password, decide_straight, list_usable, may_close, merge
from tests.fakes.system import START
from tests.fakes.upstream import a_provider

ISSUERS = [f"https://id{number}.example.test" for number in range(3)]


@dataclass(frozen=True)
class Person:
    user: User
    has_password: bool
    identities: list[Identity]


@dataclass(frozen=True)
class House:
    people: list[Person]
    setting: str | None
    in_file: bool

    def password(self, enabled: list[Provider]) -> PasswordWay:
        through = any(may_close(person.user, person.identities, enabled) for person in self.people)
        return decide_password(setting=self.setting, in_file=self.in_file, providers=enabled, admin_through=through)


def user_of(number: int, *, enabled: bool, is_admin: bool, granted_admin: bool) -> User:
    return User(
        f"user-{number}", f"user{number}", "", "", frozenset(), is_admin, enabled, 1, START,
        granted_admin=granted_admin,
    )  # fmt: skip


IDENTITY = st.builds(
    Identity,
    id=st.just("identity"),
    user_id=st.just("user"),
    issuer=st.sampled_from(ISSUERS),
    subject=st.just("subject"),
    provider=st.sampled_from(["a", "b", "c", "gone"]),
    linked_at=st.just(START),
    used_at=st.sampled_from([None, START]),
)
PERSON = st.builds(
    Person,
    st.builds(user_of, st.integers(0, 9), enabled=st.booleans(), is_admin=st.booleans(), granted_admin=st.booleans()),
    st.booleans(),
    st.lists(IDENTITY, max_size=3),
)
HOUSE = st.builds(House, st.lists(PERSON, max_size=4), st.sampled_from([None, "on", "off", "?"]), st.booleans())
PROVIDER = st.builds(
    lambda id, issuer, enabled: a_provider(id, issuer=issuer, enabled=enabled),  # noqa: A006
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(ISSUERS),
    st.booleans(),
)
PROVIDERS = st.lists(PROVIDER, unique_by=lambda each: each.id, max_size=3)


def enabled_of(providers):
    return [each for each in providers if each.enabled]


@given(HOUSE, PROVIDERS)
def test_where_somebody_has_a_way_in_at_all_one_is_open(house, providers):
    enabled = enabled_of(providers)
    alive = [person for person in house.people if person.user.enabled]
    have_any = any(person.has_password or list_usable(person.identities, enabled) for person in alive)
    is_open = house.password(enabled).open
    have_open = any((is_open and person.has_password) or list_usable(person.identities, enabled) for person in alive)
    assert have_open == have_any


@given(HOUSE, PROVIDERS)
def test_passwords_are_closed_only_where_that_is_wanted_and_an_administrator_has_another_way(house, providers):
    enabled = enabled_of(providers)
    way = house.password(enabled)
    if not way.open:
        assert not way.wanted
        assert any(
            person.user.enabled and person.user.administers and list_usable(person.identities, enabled)
            for person in house.people
        )


@given(HOUSE, PROVIDERS, st.data())
def test_taking_providers_away_never_closes_passwords(house, providers, data):
    enabled = enabled_of(providers)
    left = data.draw(st.lists(st.sampled_from(enabled), unique=True)) if enabled else []
    if house.password(enabled).open:
        assert house.password(left).open


@given(PROVIDERS, PROVIDERS, st.data())
def test_switching_one_provider_off_takes_no_other_away(in_file, stored, data):
    merged, _ = merge(in_file, stored)
    if not merged:
        return
    switched = data.draw(st.sampled_from(merged))
    others = [each for each in merged if each.id != switched.id]

    def switch(providers):
        return [
            a_provider(each.id, issuer=each.issuer, enabled=False) if each is switched else each for each in providers
        ]

    again, _ = merge(switch(in_file), switch(stored))
    assert [each for each in again if each.id != switched.id] == others


@given(PROVIDERS, PROVIDERS)
def test_every_provider_counts_or_it_is_said_why_not(in_file, stored):
    merged, shadowed = merge(in_file, stored)
    assert [each for each in merged if each in in_file][: len(in_file)] == in_file
    assert sorted(each.id for each in merged) == sorted({each.id for each in (*in_file, *stored)})
    assert len(merged) == len(in_file) + len(stored) - len(shadowed)


@given(st.sampled_from(["off", "only", "last", "a", "b", "zzz"]), st.booleans(), PROVIDERS, st.sampled_from("abz"))
def test_nobody_is_sent_straight_to_what_is_not_open(setting, password, providers, last):
    enabled = enabled_of(providers)
    straight = decide_straight(setting, password_open=password, providers=enabled, last=last)
    assert straight is None or straight in enabled
    if setting == "off":
        assert straight is None
