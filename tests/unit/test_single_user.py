"""One account for a network: what it opens, what it never opens, and how it comes to an end at once (D-11)."""

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from doorward.rules.identity import User
from doorward.rules.policy import Audience, Effect, HostPattern, Policy, Requirement, Rule
from doorward.rules.remedy import find_remedy
from doorward.rules.request import AccessRequest
from doorward.rules.single_user import find_flaw, stand_in
from doorward.web.client import Trust
from doorward.web.gate.answer import Answer, split_block
from doorward.web.gate.proxies import DIALECTS
from tests.fakes.gate import PROXY, STRANGER, FakeView, World, ask, make_user

TRAEFIK = DIALECTS[0]
HOME, AWAY = "192.168.1.20", "203.0.113.7"
APP, ADMIN, OPEN, BANK = (HostPattern(f"{name}.example.test") for name in ("app", "admin", "open", "bank"))
RULES = [
    Rule("household", Effect.ALLOW, (APP, BANK), groups=frozenset({"family"})),
    Rule("admins", Effect.ALLOW, (ADMIN,), groups=frozenset({"admins"})),
    Rule("open", Effect.ALLOW, (OPEN,), audience=Audience.ANYONE),
]
FAMILY = make_user("family", "family")


def requiring(requirement: Requirement) -> Rule:
    return Rule("strict", Effect.REQUIRE, (BANK,), audience=Audience.ANYONE, requirement=requirement)


@pytest.fixture
def world() -> World:
    home = World(Policy(RULES), single_user="family")
    home.put_user(FAMILY)
    return home


def check(
    world: World, host: str = "app.example.test", client: str = HOME, *, cookie: str = "", peer: str = PROXY, gate=None
) -> Answer:
    headers = [(name, value) for name, value in ask(host) if name != b"x-forwarded-for"]
    if client:
        headers.append((b"x-forwarded-for", client.encode()))
    if cookie:
        headers.append((b"cookie", b"theme=dark; doorward=" + cookie.encode()))
    return (gate or world.make_gate()).answer(TRAEFIK, b"GET", b"", headers, peer)


def name_in(answer: Answer) -> str:
    return dict(split_block(answer.head)).get(b"x-forwarded-user-name", b"").decode()


def test_whoever_comes_from_the_network_is_that_account(world: World) -> None:
    gate = world.make_gate()
    answer = check(world, gate=gate)
    assert (answer.status, name_in(answer)) == (200, "Family")
    assert [(key[1], key[2].value) for key in gate.tally.checks] == [("allow", "single_user")]


@pytest.mark.parametrize("client", [AWAY, "192.168.2.20", "", "::1", "::ffff:203.0.113.7"])
def test_nobody_else_is(world: World, client: str) -> None:
    """An address outside the networks, or none at all: a sign-in, as ever."""
    answer = check(world, client=client)
    assert answer.status == 303
    assert b"location: https://auth.example.test/login?rd=" in answer.head


def test_an_address_of_the_network_in_its_ipv6_form_is_the_same(world: World) -> None:
    assert check(world, client="::ffff:192.168.1.20").status == 200


@pytest.mark.parametrize(
    "chain",
    [f"{HOME}, {AWAY}", f"{HOME}, {AWAY}, {PROXY}", f"{AWAY}, {AWAY}"],
)
def test_an_address_that_a_visitor_claims_counts_for_nothing(world: World, chain: str) -> None:
    """The list is read from the right, where our own proxies wrote."""
    assert check(world, client=chain).status == 303


@pytest.mark.parametrize("chain", ["nonsense", f"{HOME},", f"{HOME}:80", f"{HOME} {HOME}"])
def test_a_list_that_is_no_list_is_refused(world: World, chain: str) -> None:
    assert check(world, client=chain).status == 400


def test_a_client_that_is_no_proxy_is_not_asked_where_it_comes_from(world: World) -> None:
    world.at_home = (*world.at_home, ip_network("127.0.0.0/8"))
    assert check(world, peer=STRANGER).status == 403


def test_the_address_of_a_proxy_is_nobodys(world: World) -> None:
    """Where every entry of the list is one of our own proxies, it is not known who asks."""
    world.trust = Trust((ip_network("127.0.0.2/32"), ip_network("192.168.1.1/32")))
    assert check(world, client="192.168.1.1").status == 303
    assert check(world, client="192.168.1.2").status == 200


@pytest.mark.parametrize("hops", [1, 2])
def test_with_counted_proxies_the_address_they_vouch_for_counts(world: World, hops: int) -> None:
    world.trust = Trust((ip_network("127.0.0.2/32"),), hops=hops)
    assert check(world, client=f"{AWAY}, {HOME}").status == (200 if hops == 1 else 303)


def test_a_session_counts_before_the_network(world: World) -> None:
    alice = world.sign_in(make_user("alice", "family"))
    assert name_in(check(world, cookie=alice)) == "Alice"


def test_when_a_session_ends_the_network_counts_again_and_nothing_of_it_is_remembered(world: World) -> None:
    gate = world.make_gate()
    alice = world.sign_in(make_user("alice", "family"))
    assert name_in(check(world, cookie=alice, gate=gate)) == "Alice"
    world.change_user("alice", enabled=False)
    assert name_in(check(world, cookie=alice, gate=gate)) == "Family"
    assert check(world, cookie=alice, client=AWAY, gate=gate).status == 403
    world.end_sessions("alice")
    assert name_in(check(world, cookie=alice, gate=gate)) == "Family"
    assert check(world, cookie=alice, client=AWAY, gate=gate).status == 303
    assert not world.touches


@pytest.mark.parametrize(
    ("asked", "reason", "words"),
    [
        (Requirement(two_factor=True), "two_factor_required", "&need=two_factor"),
        (Requirement(passkey=True), "passkey_required", "&need=passkey"),
        (Requirement(fresh=timedelta(days=36500)), "not_fresh", "&fresh=1"),
    ],
)
def test_what_asks_for_a_proof_asks_for_a_real_sign_in(
    world: World, asked: Requirement, reason: str, words: str
) -> None:
    """A network proves nothing, however lenient the rule is about time."""
    world.policy = Policy([*RULES, requiring(asked)])
    gate = world.make_gate()
    answer = check(world, "bank.example.test", gate=gate)
    assert answer.status == 303
    assert words.encode() in answer.head
    assert [key[2].value for key in gate.tally.checks] == [reason]
    assert world.log.lines[-1][2] | {"user": "family", "single_user": "yes", "reason": reason} == world.log.lines[-1][2]


def test_what_it_may_not_open_stays_shut_and_leads_to_a_sign_in(world: World) -> None:
    answer = check(world, "admin.example.test")
    assert answer.status == 403
    assert b"no_rule" in answer.body
    fields = world.log.lines[-1][2]
    assert (fields["user"], fields["single_user"]) == ("family", "yes")


def test_the_way_to_another_account_is_a_sign_in_and_no_sign_out(world: World) -> None:
    shown = []
    gate = world.make_gate()
    gate._refuser._page = lambda refusal: shown.append(refusal) or (b"", ())
    check(world, "admin.example.test", gate=gate)
    check(world, "admin.example.test", client=AWAY, cookie=world.sign_in(make_user("alice")), gate=gate)
    assert [(refusal.user_name, refusal.switch_url) for refusal in shown] == [
        ("Family", "https://auth.example.test/login"),
        ("Alice", "https://auth.example.test/logout"),
    ]


def test_an_app_that_is_open_to_anyone_is_told_who_it_is(world: World) -> None:
    assert name_in(check(world, "open.example.test")) == "Family"
    assert name_in(check(world, "open.example.test", client=AWAY)) == ""


FLAWS = {
    "there is no such account": None,
    "it is disabled": replace(FAMILY, enabled=False),
    "nobody has let it in yet": replace(FAMILY, enabled=False, awaits_approval=True),
    "it is an administrator": replace(FAMILY, is_admin=True),
    "it is for the console only": replace(FAMILY, console_only=True),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_an_account_that_must_not_be_it_counts_as_nobody_and_the_log_says_so_once(world: World, flaw: str) -> None:
    gate = world.make_gate()
    assert check(world, gate=gate).status == 200
    changed = FLAWS[flaw]
    if changed is None:
        del world.view.users["family"]
        world.view.commits += 1
    else:
        world.put_user(changed)
    for _ in range(3):
        assert check(world, gate=gate).status == 303
        world.view.commits += 1
    lines = [fields for _, event, fields in world.log.lines if event == "single_user_unusable"]
    assert lines == [{"user": "family", "why": flaw}]
    world.put_user(FAMILY)
    assert check(world, gate=gate).status == 200
    world.put_user(replace(FAMILY, granted_admin=True))
    assert check(world, gate=gate).status == 303
    assert [event for _, event, _ in world.log.lines].count("single_user_unusable") == 2


def test_what_is_done_to_the_account_while_it_is_read_counts_at_the_next_check(world: World) -> None:
    class Hasty(FakeView):
        def find_user_by_name(self, name: str) -> User | None:
            found = super().find_user_by_name(name)
            if found is not None and found.enabled:
                self.users[name] = replace(found, enabled=False)
                self.commits += 1
            return found

    world.view = Hasty()
    world.put_user(FAMILY)
    gate = world.make_gate()
    assert [check(world, gate=gate).status for _ in range(3)] == [200, 303, 303]


def test_groups_count_at_the_next_check(world: World) -> None:
    gate = world.make_gate()
    assert check(world, gate=gate).status == 200
    world.put_user(replace(FAMILY, groups=frozenset()))
    assert check(world, gate=gate).status == 403


def test_a_store_that_does_not_answer_lets_nobody_in(world: World) -> None:
    world.view.broken = True
    assert check(world).status == 503


def test_a_program_is_told_why_in_its_own_form(world: World) -> None:
    headers = [
        (name, value) for name, value in ask("admin.example.test") if name not in {b"accept", b"x-forwarded-for"}
    ]
    answer = world.make_gate().answer(TRAEFIK, b"GET", b"", [*headers, (b"x-forwarded-for", HOME.encode())], PROXY)
    assert json.loads(answer.body)["reason"] == "no_rule"


def test_an_account_without_a_flaw_stands_in_with_nothing_proven() -> None:
    found = stand_in(FAMILY, networks=(ip_network("10.0.0.0/8"),), proxies=(ip_network("10.0.0.1/32"),))
    assert found is not None
    assert not found.subject.session.methods
    assert found.stands_for(ip_address("10.0.0.2"))
    assert not found.stands_for(ip_address("10.0.0.1"))
    assert not found.stands_for(None)
    assert find_flaw(FAMILY) == ""


def test_the_remedy_where_a_network_proves_too_little_is_to_sign_in() -> None:
    policy = Policy([*RULES, requiring(Requirement(fresh=timedelta(minutes=5)))])
    request = AccessRequest("GET", "https", BANK.name, "/", "/", ambiguous=False, client=ip_address(HOME))
    home = stand_in(FAMILY, networks=(ip_network("192.168.1.0/24"),))
    found = find_remedy(request, None, policy, now=World(policy).clock.now(), single_user=home)
    assert found is not None
    assert found.steps == ("sign in as a member of family",)
