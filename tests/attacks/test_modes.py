"""Special modes from outside (attacks A, F): nobody is at home by saying so, and nobody is whom they say they are."""

from collections.abc import Iterator

import pytest

from tests.attacks.factors import own_form
from tests.attacks.hasty import HASTY
from tests.attacks.invariants import IDENTITY, attacked
from tests.attacks.stage import (
    ALICE,
    BOB,
    CONFIG,
    NAVIGATION,
    PROXY,
    ROOT,
    STRANGER,
    Browser,
    Stage,
    handed_out,
    serving,
)
from tests.attacks.wire import DIALECTS, Answer, Pairs, write
from tests.integration.processes import free_ports

MODES = """\
single_user: {user: alice, networks: [10.0.0.0/8, "fd00::/8"]}
authn: {trusted_header: {name: X-Signed-In, networks: [127.0.0.2/32]}}
limits: {login: [999/1m], oidc: [999/1m]}
"""
HOME, AWAY = b"10.0.0.5", b"203.0.113.7"
REFUSED = {302, 303, 400, 401, 403}


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A house in which a network stands for alice, and a proxy may say who signs in."""
    port, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics) + MODES
    with serving(tmp_path_factory.mktemp("modes"), text, port, first=ROOT, program=HASTY) as stage:
        for person in (ALICE, BOB):
            stage.add(person)
        yield stage


@pytest.fixture
def modes(open_house: Stage) -> Iterator[Stage]:
    """That house for one attack, and the invariants after it: whoever gets in has a session."""
    with attacked(open_house):
        yield open_house


FROM_A_STRANGER: list[tuple[bytes, Pairs]] = [
    (HOME, ()),
    (b"127.0.0.1", ()),
    (b"10.0.0.5, 127.0.0.2", ()),
    (AWAY, [(b"X-Real-IP", HOME), (b"X-Signed-In", b"alice")]),
    (b"fd00::1", [(b"Forwarded", b"for=10.0.0.5;by=127.0.0.2")]),
]
"""Straight to our port, from a machine that is no proxy of ours, and in none of those networks."""
FROM_OUR_PROXY: list[tuple[bytes, Pairs]] = [
    (b"10.0.0.5, 203.0.113.7", ()),
    (b"10.0.0.5, 10.0.0.6, 203.0.113.7, 127.0.0.2", ()),
    (HOME, [(b"X-Forwarded-For", AWAY)]),
    (b"127.0.0.2", ()),
    (b"", ()),
    (b"unknown", ()),
    (b"_home", ()),
    (b"0x0a.0.0.5", ()),
    (b"010.0.0.5", ()),
    (b"167772165", ()),
    (b"10.5", ()),
    (b"10.0.0.5%eth0", ()),
    (b"10.0.0.5;203.0.113.7", ()),
    (b"10.0.0.5 203.0.113.7", ()),
    (b"10.0.0.5,", [(b"X-Forwarded-For", AWAY)]),
    (b"::ffff:203.0.113.7", ()),
    (b"64:ff9b::a00:5", ()),
    (b"2002:a00:5::", ()),
    *((AWAY, [(name, HOME)]) for name in (b"X-Real-IP", b"X-Client-IP", b"True-Client-IP", b"CF-Connecting-IP")),
    (AWAY, [(b"Forwarded", b"for=10.0.0.5"), (b"X_Forwarded_For", HOME), (b"X.Forwarded.For", HOME)]),
    (AWAY, [(b"X-Envoy-External-Address", HOME), (b"X-Cluster-Client-Ip", HOME), (b"X-Forwarded", HOME)]),
    (
        AWAY,
        [(b"Remote-User", b"alice"), (b"X-Forwarded-User-Email", b"alice@example.test"), (b"X-Signed-In", b"alice")],
    ),
]
"""What a visitor can make a proxy of ours pass on: the last address is what it saw itself."""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nobody_is_at_home_by_saying_so(modes: Stage, dialect: str) -> None:
    """A01, A07, A08, A10, A19: with made-up addresses, from a proxy of ours and past it."""
    for source, said in ((STRANGER, FROM_A_STRANGER), (PROXY, FROM_OUR_PROXY)):
        for forwarded_for, more in said:
            answer = modes.ask(dialect, forwarded_for=forwarded_for, more=more, source=source)
            assert answer.status in REFUSED, f"{source}: {forwarded_for!r} {more}"
            assert not any(answer.one(name) for name in IDENTITY)


def test_home_is_one_account_and_no_more(open_house: Stage) -> None:
    """A10, A19, F15: alice and nobody else, without a proof, and never an administrator; not before our own pages."""
    for dialect in DIALECTS:
        for said in (HOME, b"203.0.113.7, 10.0.0.5", b"::ffff:10.0.0.5", b"fd00::1"):
            more = [(b"Remote-User", b"root"), (b"X-Forwarded-User-Groups", b"admin"), (b"X-Signed-In", b"root")]
            answer = open_house.ask(dialect, forwarded_for=said, more=more)
            assert (answer.status, answer.one("x-forwarded-user-email")) == (200, b"alice@example.test")
            assert answer.one("remote-groups") == b"users"
            for host in (b"admin.example.test", b"two.example.test", b"nobody.example.test"):
                denied = open_house.ask(dialect, host=host, forwarded_for=said)
                assert denied.status in REFUSED
                assert not any(denied.one(name) for name in IDENTITY)
    with attacked(open_house):
        visitor = Browser(open_house, HOME.decode())
        for target in ("/", "/account", "/admin/users", "/sessions", "/account/security"):
            assert b"/login" in visitor.get(target).one("location")
        assert visitor.call("GET", "/api/v1/account").status == 401
        assert visitor.post("/account/delete", {"confirm": "alice"}).status in {303, 403}


def sign_in(stage: Stage, *headers: tuple[bytes, bytes], source: str = PROXY, target: bytes = b"/login") -> Answer:
    """Open the sign-in page as a proxy passes it on."""
    browser = stage.browser()
    answer = stage.send(write(b"GET", target, browser.headers(*NAVIGATION, *headers)), source=source)
    for value in handed_out(answer):
        stage.live[value] = BOB
    return answer


NAMED: list[list[bytes]] = [
    [b"bob", b"bob"],
    [b"alice", b"bob"],
    [b"bob", b""],
    [b"bob, root"],
    [b"bob;root"],
    [b"bob root"],
    [b"bob@example.test@evil.test"],
    [b"b\xc3\xb6b"],
    [b"\xef\xbd\x82ob"],
    [b"bob%00"],
    [b"CN=bob"],
    [b'"bob"'],
    [b"../bob"],
    [b"*"],
    [b"b" * 5000],
    [b"' OR 1=1--"],
]
"""Names that could be read as one account or as another."""


def test_a_name_from_a_proxy_is_one_name_or_none(modes: Stage) -> None:
    """A04, A19, E16: doubled, listed, quoted, in other letters, under aliases, or from somebody else: nobody comes in."""
    for values in NAMED:
        answer = sign_in(modes, *((b"X-Signed-In", value) for value in values))
        assert answer.status in {400, 403, 431}
        assert handed_out(answer) == []
    for name in (b"X_Signed_In", b"X.Signed.In", b"X-Signed-In-User", b"Remote-User", b"X-Forwarded-User"):
        assert handed_out(sign_in(modes, (name, b"bob"))) == []
    for source, name in ((STRANGER, b"bob"), (STRANGER, b"root"), ("127.0.0.1", b"root")):
        assert handed_out(sign_in(modes, (b"X-Signed-In", name), source=source)) == []
    for elsewhere in ((b"Sec-Fetch-Dest", b"iframe"), (b"Sec-Fetch-Dest", b"image")):
        framed = [pair for pair in NAVIGATION if pair[0] != b"Sec-Fetch-Dest"]
        raw = write(b"GET", b"/login", modes.browser().headers(*framed, elsewhere, (b"X-Signed-In", b"bob")))
        assert handed_out(modes.send(raw)) == []


def test_a_proxys_word_is_no_proof_and_no_disguise(modes: Stage) -> None:
    """F15, J01, A19: it opens no two factors; whose session is another's finds it gone, with every form of it."""
    told = sign_in(modes, (b"X-Signed-In", b"bob"))
    (value,) = handed_out(told)
    for dialect in DIALECTS:
        cookie = b"doorward=" + value
        assert modes.ask(dialect, cookie=cookie).one("x-forwarded-user-email") == b"bob@example.test"
        assert modes.ask(dialect, host=b"two.example.test", cookie=cookie).status in REFUSED
        assert modes.ask(dialect, cookie=cookie, more=[(b"X-Signed-In", b"root")]).one("remote-user") == b"bob"
    alice = modes.signed_in(ALICE)
    form = own_form(alice)
    other = (b"X-Signed-In", b"bob")
    assert b"/login" in alice.get("/account", other).one("location")
    changed = alice.post("/account/profile", {**form, "display_name": "Planted", "language": ""}, other)
    assert changed.status in {303, 403}
    assert alice.call("GET", "/api/v1/account", other).status == 401
    assert alice.call("GET", "/api/v1/account", other, other).status == 400
    assert modes.query("SELECT display_name FROM users WHERE name = 'alice'") == [("Alice",)]
    assert alice.get("/account").status == 200
