"""What `find_guards` promises holds against `decide`, for any policy and request."""

from datetime import timedelta
from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.rules.access import Allow, decide
from doorward.rules.guards import find_guards
from doorward.rules.policy import App, Audience, Effect, HostPattern, PathKind, PathPattern, Policy, Requirement, Rule
from doorward.rules.request import AccessRequest, parse_target
from tests.fakes.gate import World, make_user

HOST = HostPattern("app.example.test")
USER = make_user("alice", "family")
WORLD = World(Policy([]))
WORLD.sign_in(USER)
(SUBJECT,) = WORLD.view.subjects.values()
NOW = WORLD.clock.now()

OPEN = Rule("open", Effect.ALLOW, (HOST,), groups=frozenset({"family"}))

TEXTS = st.sampled_from(
    ["/", "/admin", "/Admin/", "/a", "/admin/users", "/x.json", "/a;b", "/ädmin", "/\u212aey", "admin", "/*/x"]
)
PATHS = st.builds(PathPattern, st.sampled_from([PathKind.EXACT, PathKind.PREFIX, PathKind.GLOB]), TEXTS)
RULES = st.builds(
    Rule,
    st.just("rule"),
    st.sampled_from(Effect),
    st.just((HOST,)),
    paths=st.lists(PATHS, max_size=2).map(tuple),
    methods=st.sampled_from([frozenset(), frozenset(), frozenset({"GET"})]),
    audience=st.sampled_from(Audience),
    users=st.sampled_from([frozenset(), frozenset({"alice"}), frozenset({"bob"})]),
    groups=st.sampled_from([frozenset(), frozenset({"family"}), frozenset({"others"})]),
    networks=st.sampled_from([(), (), (ip_network("203.0.113.0/24"),)]),
    requirement=st.sampled_from([None, Requirement(two_factor=True), Requirement(fresh=timedelta(minutes=5))]),
)
TARGETS = st.one_of(
    st.sampled_from([b"/", b"/ADMIN?x=/../", b"/adm?in", b"///admin", b"/admin.json", b"/b/admin", b"/?/admin", b"/x.JSON/",
                     b"/x.json/y", b"/admin.php/info", b"/A.b/c", b"/key/x", b"/a%CC%88dmin", b"/%E2%84%AAey"]),
    st.text("aAdminx/.?_-", min_size=1, max_size=9).map(lambda text: b"/" + text.encode()),
)  # fmt: skip


@settings(max_examples=2000)
@given(st.lists(RULES, max_size=3), TARGETS, st.sampled_from(["GET", "PUT"]), *[st.booleans()] * 4)
def test_where_no_guard_stands_every_request_is_allowed(
    rules: list[Rule], raw: bytes, method: str, inside: bool, late: bool, guarded: bool, elsewhere: bool
) -> None:
    policy = Policy([OPEN, *rules], apps=[App("App", (HOST,), guard_cross_site=guarded)])
    guards = find_guards(policy.for_host(HOST.name), USER, policy.groups_of(USER))
    path, target, ambiguous = parse_target(raw)
    if guards is None or ambiguous or not path.isascii() or path.lower().lstrip("/").startswith(guards):
        return
    client = ip_address("203.0.113.7" if inside else "198.51.100.9")
    request = AccessRequest(method, "https", HOST.name, path, target, ambiguous=False, client=client)
    request = request._replace(cross_site=elsewhere)
    now = NOW + timedelta(minutes=90 if late else 0)
    assert isinstance(decide(request, SUBJECT, policy, now=now), Allow)


def test_a_person_who_is_allowed_without_conditions_leaves_only_guarded_paths() -> None:
    deny = Rule("no", Effect.DENY, (HOST,), audience=Audience.ANYONE, paths=(PathPattern(PathKind.PREFIX, "/Admin"),))
    rules = Policy([OPEN, deny]).for_host(HOST.name)
    assert find_guards(rules, USER, USER.groups) == ("admin",)
    assert find_guards(rules, make_user("bob"), frozenset()) is None
    assert find_guards(rules, make_user("alice", "family", console_only=True), USER.groups) is None
