"""Rules as written mean what they say once compiled."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest

from doorward.config.load import parse_config
from doorward.config.policy import build_policy
from doorward.rules.access import Allow, Challenge, Deny, decide
from doorward.rules.identity import User, UserId
from doorward.rules.policy import Audience, Effect, Policy
from doorward.rules.reason import Reason
from doorward.rules.remedy import assume_session
from doorward.rules.request import AccessRequest
from doorward.rules.session import Subject

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
BASE = "server: {public_url: 'https://auth.example.com'}\ncookie: {domain: example.com}\n"


def policy_of(text: str) -> Policy:
    return build_policy(parse_config((BASE + text).encode(), environ={}).config)


def ask(host: str, path: str = "/", *, method: str = "GET", client: str = "203.0.113.9") -> AccessRequest:
    return AccessRequest(method, "https", host, path, path, ambiguous=False, client=ip_address(client))


def who(name: str, *groups: str, email: str = "", at: datetime = NOW) -> Subject:
    user = User(
        UserId(name), name, name, email, frozenset(groups), is_admin=False, enabled=True, generation=0, created_at=NOW
    )
    return Subject(user, assume_session(user, at))


FORWARD_AUTH = """
authz:
  rules:
    - domain: "*.example.com"
      users: [User@example.com]
    - domain: admin.example.com
      groups: [admins]
  groups:
    - name: admins
      users: [admin@example.com]
"""


def test_a_forward_auth_rule_is_an_allow_by_user_or_group() -> None:
    """C-26, C-27."""
    policy = policy_of(FORWARD_AUTH)
    user, admin = who("u", email="user@example.com"), who("a", email="admin@example.com")
    assert isinstance(decide(ask("app.example.com"), user, policy, now=NOW), Allow)
    assert isinstance(decide(ask("a.b.example.com"), user, policy, now=NOW), Allow)
    assert decide(ask("example.com"), user, policy, now=NOW) == Deny(Reason.UNKNOWN_HOST)
    assert isinstance(decide(ask("admin.example.com"), admin, policy, now=NOW), Allow)
    assert decide(ask("app.example.com"), admin, policy, now=NOW) == Deny(Reason.NO_RULE)
    assert decide(ask("app.example.com"), None, policy, now=NOW) == Challenge(Reason.NO_SESSION)
    assert policy.groups == {"admin@example.com": frozenset({"admins"})}


def test_no_rules_is_nobody() -> None:
    """C-26."""
    assert decide(ask("app.example.com"), who("a"), policy_of(""), now=NOW) == Deny(Reason.UNKNOWN_HOST)


def test_an_allow_without_users_allows_nobody() -> None:
    """C-26."""
    policy = policy_of("authz: {rules: [{domain: app.example.com}]}")
    assert decide(ask("app.example.com"), who("a"), policy, now=NOW) == Deny(Reason.NO_RULE)


@pytest.mark.parametrize("rule", ["effect: deny", "policy: deny", "require: [passkey]"])
def test_a_deny_without_users_speaks_of_anyone(rule: str) -> None:
    (built,) = policy_of(f"authz: {{rules: [{{domain: app.example.com, {rule}}}]}}").rules
    assert built.audience is Audience.ANYONE


def test_a_deny_with_users_speaks_of_them() -> None:
    (built,) = policy_of("authz: {rules: [{domain: app.example.com, effect: deny, users: [mallory]}]}").rules
    assert (built.audience, built.effect) == (Audience.NAMED, Effect.DENY)


def test_the_full_form_is_compiled_whole() -> None:
    text = """
authz:
  timezone: America/New_York
  rules:
    - name: office
      hosts: [app.example.com, "**.apps.example.com"]
      paths: [/admin, =/exact, /a/*/b, "~/r[0-9]+"]
      methods: [GET, POST]
      users: [alice]
      groups: [staff]
      networks: [10.0.0.0/8, fd00::/8]
      times: [Mon-Fri 08:00-18:00, "Sat 10:00-12:00"]
    - domain: app.example.com
      require: [two_factor, fresh: 15m, network: [10.0.0.0/8]]
    - domain: app.example.com
      require: {passkey: true}
"""
    office, strict, passkey = policy_of(text).rules
    assert office.name == "office"
    assert [pattern.text for pattern in office.hosts] == ["app.example.com", "**.apps.example.com"]
    assert len(office.paths) == 4
    assert office.methods == {"GET", "POST"}
    assert office.networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert [window.zone for window in office.times] == [office.times[0].zone] * 2
    assert str(office.times[0].zone) == "America/New_York"
    assert strict.effect is Effect.REQUIRE
    assert strict.name == "rule 2"
    assert strict.requirement is not None
    assert strict.requirement.two_factor
    assert strict.requirement.fresh == timedelta(minutes=15)
    assert strict.requirement.networks == (ip_network("10.0.0.0/8"),)
    assert passkey.requirement is not None
    assert passkey.requirement.passkey


def test_times_are_meant_in_the_configured_zone() -> None:
    """Q10: at noon UTC it is 07:00 in New York, before the window; at 13:00 it is 08:00, inside."""
    text = "authz: {timezone: America/New_York, rules: [{domain: app.example.com, who: any_user, times: 'Wed 08:00-18:00'}]}"
    policy = policy_of(text)
    assert isinstance(decide(ask("app.example.com"), who("a"), policy, now=NOW), Deny)
    later = NOW + timedelta(hours=1)
    assert isinstance(decide(ask("app.example.com"), who("a", at=later), policy, now=later), Allow)


def test_daylight_saving_moves_the_window_with_the_wall_clock() -> None:
    """Q10: a week later New York is on daylight time, and 08:00 there is noon UTC."""
    text = (
        "authz: {timezone: America/New_York, rules: [{domain: app.example.com, who: anyone, times: 'Wed 08:00-18:00'}]}"
    )
    assert isinstance(decide(ask("app.example.com"), None, policy_of(text), now=NOW + timedelta(days=7)), Allow)


def test_an_app_leads_to_its_first_exact_host_the_way_we_are_reached() -> None:
    text = """
apps:
  - {name: Wiki, hosts: ["*.wiki.example.com", wiki.example.com], icon: 📚, preflight: pass}
  - {name: Wild, hosts: "*.wild.example.com"}
  - {name: Elsewhere, hosts: x.example.com, url: "https://x.example.com/start"}
"""
    wiki, wild, elsewhere = policy_of(text).apps
    assert (wiki.url, wiki.icon, wiki.preflight) == ("https://wiki.example.com/", "📚", True)
    assert (wild.url, wild.preflight) == ("", False)
    assert elsewhere.url == "https://x.example.com/start"
    demo = parse_config(
        b"server: {public_url: 'http://auth.d.localhost:8000'}\napps: [{name: A, hosts: a.d.localhost}]", environ={}
    )
    assert build_policy(demo.config).apps[0].url == "http://a.d.localhost:8000/"


def test_a_user_in_two_groups_is_in_both() -> None:
    """C-27."""
    policy = policy_of("authz: {groups: [{name: a, users: [x]}, {name: b, users: [x, Y@z.org]}]}")
    assert policy.groups == {"x": frozenset({"a", "b"}), "y@z.org": frozenset({"b"})}
