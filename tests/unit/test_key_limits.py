"""What a key narrows, case by case, at the decision."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from doorward.rules.access import Allow, Deny, Verdict, decide
from doorward.rules.app_key import AppKey, KeyId, KeyKind
from doorward.rules.identity import User
from doorward.rules.key_limits import end_in_time, is_below
from doorward.rules.key_subject import subject_of
from doorward.rules.policy import App, Audience, Effect, HostPattern, Policy, Requirement, Rule
from doorward.rules.reason import Reason
from doorward.rules.remedy import find_remedy
from doorward.rules.request import AccessRequest
from doorward.rules.single_user import stand_in
from tests.fakes.gate import make_user
from tests.fakes.system import START

HOST = HostPattern("app.example.test")
APP = App("App", (HOST,))
OPEN = Rule("open", Effect.ALLOW, (HOST,), groups=frozenset({"family"}))
POLICY = Policy([OPEN], apps=[APP])
ALICE = make_user("alice", "family")
KEY = AppKey(
    KeyId("aaaaaaaaaaaa"), ALICE.id, "phone", KeyKind.KEY, "sha256:", "dw_aaaaa…zzzz", START, ALICE.id, apps=("App",)
)
READ = AccessRequest(
    "GET", "https", "app.example.test", "/cal/1", "/cal/1", ambiguous=False, client=ip_address("203.0.113.7")
)


def judge(key: AppKey, request: AccessRequest = READ, policy: Policy = POLICY, user: User = ALICE) -> Verdict:
    return decide(request, subject_of(key, user), policy, now=START)


@pytest.mark.parametrize(
    ("narrow", "request_", "reason"),
    [
        ({}, {}, Reason.RULE),
        ({"apps": (), "hosts": ("app.example.test",)}, {}, Reason.RULE),
        ({"apps": ()}, {}, Reason.KEY_APP),
        ({"apps": ("Other",)}, {}, Reason.KEY_APP),
        ({"apps": (), "hosts": ("example.test", ".app.example.test")}, {}, Reason.KEY_APP),
        ({"paths": ("/cal",)}, {}, Reason.RULE),
        ({"paths": ("/x", "/cal/1")}, {}, Reason.RULE),
        ({"paths": ("/cal",)}, {"path": "/calendar"}, Reason.KEY_PATH),
        ({"paths": ("/cal",)}, {"path": "/CAL/1"}, Reason.KEY_PATH),
        ({"paths": ("/cal",)}, {"ambiguous": True}, Reason.KEY_PATH),
        ({"paths": ("/",)}, {"ambiguous": True}, Reason.KEY_PATH),
        ({"methods": frozenset({"GET", "PUT"})}, {}, Reason.RULE),
        ({"methods": frozenset({"PUT"})}, {}, Reason.KEY_METHOD),
        ({"methods": frozenset({"GET", "HEAD"})}, {"websocket": True}, Reason.KEY_METHOD),
        ({"methods": frozenset({"GET", "POST"})}, {"websocket": True}, Reason.RULE),
        ({"read_only": True}, {}, Reason.RULE),
        ({"read_only": True}, {"method": "HEAD"}, Reason.RULE),
        ({"read_only": True}, {"method": "POST"}, Reason.KEY_READ_ONLY),
        ({"read_only": True}, {"websocket": True}, Reason.KEY_READ_ONLY),
        ({}, {"websocket": True}, Reason.RULE),
        ({"networks": (ip_network("203.0.113.0/24"),)}, {}, Reason.RULE),
        ({"networks": (ip_network("10.0.0.0/8"),)}, {}, Reason.KEY_NETWORK),
        ({"networks": (ip_network("10.0.0.0/8"),)}, {"client": None}, Reason.KEY_NETWORK),
        ({"generation": 1}, {}, Reason.RULE),
        ({"generation": 0}, {}, Reason.KEY_INVALID),
        ({"expires_at": START + timedelta(seconds=1)}, {}, Reason.RULE),
        ({"expires_at": START}, {}, Reason.KEY_EXPIRED),
        ({"disabled_at": START - timedelta(days=1)}, {}, Reason.KEY_ASLEEP),
        ({"in_url": True}, {"key_in_url": True}, Reason.KEY_IN_URL),
    ],
)
def test_a_key_narrows_what_its_owner_may(
    narrow: dict[str, object], request_: dict[str, object], reason: Reason
) -> None:
    """And whatever is wrong with it, another key, or a header, is the remedy."""
    key, request = replace(KEY, **narrow), READ._replace(**request_)  # type: ignore[arg-type]
    verdict = judge(key, request)
    assert verdict.reason is reason
    assert isinstance(verdict, Allow if reason is Reason.RULE else Deny)
    remedy = find_remedy(request, subject_of(key, ALICE), POLICY, now=START)
    assert remedy is not None
    assert isinstance(remedy.verdict, Allow) == (reason is not Reason.RULE)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"enabled": False}, Reason.USER_DISABLED),
        ({"awaits_approval": True}, Reason.USER_DISABLED),
        ({"must_change_password": True}, Reason.OWNER_PENDING),
        ({"console_only": True}, Reason.CONSOLE_ONLY),
        ({"groups": frozenset()}, Reason.NO_RULE),
        ({"is_service": True}, Reason.RULE),
    ],
)
def test_a_key_does_what_its_owner_may_at_this_moment(changes: dict[str, object], reason: Reason) -> None:
    user = replace(ALICE, **changes)  # type: ignore[arg-type]
    assert judge(KEY, user=user).reason is reason
    remedy = find_remedy(READ, subject_of(KEY, user), POLICY, now=START)
    assert remedy is not None
    assert isinstance(remedy.verdict, Allow) == (reason is not Reason.RULE)


@pytest.mark.parametrize("asked", [{"two_factor": True}, {"passkey": True}, {"fresh": timedelta(days=9)}])
def test_a_key_is_no_proof_of_a_person_unless_the_rule_says_that_keys_will_do(asked: dict[str, object]) -> None:
    def demand(**more: object) -> Policy:
        requirement = Requirement(**asked, **more)  # type: ignore[arg-type]
        rule = Rule("asked", Effect.REQUIRE, (HOST,), audience=Audience.ANYONE, requirement=requirement)
        return Policy([OPEN, rule], apps=[APP])

    assert judge(KEY, policy=demand()) == Deny(Reason.KEY_NOT_ENOUGH, demand().rules[1])
    assert judge(KEY, policy=demand(keys=True)).reason is Reason.RULE
    away = (ip_network("10.0.0.0/8"),)
    assert judge(KEY, policy=demand(keys=True, networks=away)).reason is Reason.NETWORK_REQUIRED
    remedy = find_remedy(READ, subject_of(KEY, ALICE), demand(), now=START)
    assert remedy is not None
    assert remedy.steps[0] == "sign in as alice, without a key"


@pytest.mark.parametrize(("method", "websocket", "reason"), [
    ("GET", False, Reason.RULE), ("HEAD", False, Reason.RULE), ("POST", False, Reason.KEY_IN_URL),
    ("GET", True, Reason.KEY_IN_URL),
])  # fmt: skip
def test_a_key_in_an_address_is_for_reading_where_both_app_and_key_say_so(
    method: str, websocket: bool, reason: Reason
) -> None:
    policy = Policy([OPEN], apps=[replace(APP, url_keys=True)])
    request = READ._replace(method=method, websocket=websocket, key_in_url=True)
    assert judge(replace(KEY, in_url=True), request, policy).reason is reason
    assert judge(KEY, request, policy).reason is Reason.KEY_IN_URL
    assert judge(replace(KEY, in_url=True), request).reason is Reason.KEY_IN_URL
    bare = replace(KEY, in_url=True, apps=(), hosts=("app.example.test",))
    assert judge(bare, request, Policy([OPEN])).reason is Reason.KEY_IN_URL


def test_an_app_may_take_no_keys_at_all() -> None:
    policy = Policy([OPEN], apps=[replace(APP, keys=False)])
    assert judge(KEY, policy=policy) == Deny(Reason.KEY_NOT_TAKEN)
    assert judge(replace(KEY, apps=(), hosts=("app.example.test",)), policy=policy) == Deny(Reason.KEY_NOT_TAKEN)
    assert judge(replace(KEY, hosts=("app.example.test",)), policy=Policy([OPEN])).reason is Reason.RULE
    assert judge(KEY, READ._replace(host="no.example.test")) == Deny(Reason.UNKNOWN_HOST)


def test_whoever_shows_a_key_asks_as_its_owner_even_where_anyone_may_pass() -> None:
    public = Policy([Rule("public", Effect.ALLOW, (HOST,), audience=Audience.ANYONE)], apps=[APP])
    asleep = subject_of(replace(KEY, disabled_at=START), ALICE)
    home = stand_in(ALICE, networks=(ip_network("203.0.113.0/24"),))
    for single_user in (None, home):
        assert decide(READ, asleep, public, now=START, single_user=single_user) == Deny(Reason.KEY_ASLEEP)
    assert decide(READ, None, public, now=START).reason is Reason.PUBLIC


@pytest.mark.parametrize(("path", "top", "below"), [
    ("/a", "/a", True), ("/a/b", "/a", True), ("/ab", "/a", False), ("/a", "/a/", False), ("/a/b", "/a/", True),
    ("/x", "/", True),
])  # fmt: skip
def test_below_is_by_whole_segments(path: str, top: str, below: bool) -> None:
    assert is_below(path, top) is below


def test_no_key_outlives_what_policy_allows_now() -> None:
    """A-20: one made when it allowed more comes to its end with the others; a nearer end stays."""
    day = timedelta(days=1)
    for end, most, left in (
        (None, None, None),
        (None, day, START + day),
        (START + 2 * day, day, START + day),
        (START + day, day, START + day),
        (START + day, 2 * day, START + day),
    ):
        assert end_in_time(replace(KEY, expires_at=end), most).expires_at == left
