"""What a provider says about itself, and where it would have us go, at the running gateway (H06, H18, O)."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest

from tests.attacks.abroad import CLIENT_ID, CLIENT_SECRET, Scene, find_onward, is_refusal, query_of, trapped
from tests.attacks.stage import handed_out
from tests.attacks.test_provider_tokens import GARBAGE
from tests.fakes.loopback import Answer as Said
from tests.fakes.loopback import Request
from tests.fakes.peer import Peer

WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.fixture
def trap(maze: Scene) -> Iterator[Peer]:
    """Something inside, which nobody may have spoken to by the end."""
    with trapped(maze.shore) as peer:
        yield peer
        assert peer.connections == 0, "something inside was called"


def stays(scene: Scene, name: str, *, status: Sequence[int] = (502,)) -> None:
    """Nobody sets out for this provider; the page says so in our words, and offers the other ways."""
    browser = scene.stage.browser()
    before = scene.stage.query("SELECT count(*) FROM tickets WHERE purpose = 'upstream'")
    with scene.nothing_happens(provider=name):
        answer = scene.depart(browser, name)
    assert is_refusal(answer, *status), answer
    assert b"qqcanary" not in answer.head + answer.body
    assert b'type="password"' in answer.body
    assert scene.stage.query("SELECT count(*) FROM tickets WHERE purpose = 'upstream'") == before


def test_a_description_that_is_right_leads_there_and_back(maze: Scene) -> None:
    """H18: what the tests around this one change is all that keeps people here."""
    with maze.spare() as name:
        assert handed_out(maze.sign_in(maze.stage.browser(), maze.newcomer(), name))


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
def test_a_description_that_is_none_leads_nowhere(maze: Scene, said: Said) -> None:
    """H18, I10: sizes, depths, doubles, halves, redirects."""
    with maze.spare() as name, maze.answering(f"/{name}{WELL_KNOWN}", said):
        stays(maze, maze.forget(name))


ASTRAY: list[tuple[str, Any]] = [
    *(("issuer", value) for value in (
        "https://evil.example", "{issuer}/", "{issuer}x", "{shorter}", "{ISSUER}", " {issuer}", "{issuer}#", "{issuer}?x=1",
        ["{issuer}"], {"a": "{issuer}"}, None, "", 1, True, "http://127.0.0.1/{name}",
    )),
    *((name, value) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri") for value in (
        None, "", 1, [], "javascript:qqcanary()", "data:text/html,qqcanary", "file:///etc/passwd", "ftp://evil.example/",
        "gopher://evil.example/", "unix:/run/docker.sock", "http+unix://%2Frun%2Fdocker.sock/", "//evil.example/",
        "/authorize", "authorize", "https://", "https:///x", "https://user:qqcanary@evil.example/", "https://evil.example/#qqcanary",
        "https://evil.example\\@good.example/", "https://evil.example/\r\nX: qqcanary", "https://evil.example/ x",
        "https://evil.example:0/", "https://evil.example:99999/", "https://[::1", "https://evil.example/" + "a" * 3000,
        "https://еvil.example/",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("word", "value"), ASTRAY, ids=lambda value: repr(value)[:60])
def test_a_description_that_leads_astray_is_not_followed(maze: Scene, word: str, value: Any) -> None:
    """H18, H14, O07, O09, O13: the issuer byte for byte, addresses of one kind only."""
    index = str(ASTRAY.index((word, value)))
    with maze.spare() as name:
        issuer = maze.issuer_of(name)
        names = {"issuer": issuer, "shorter": issuer[:-1], "ISSUER": issuer.upper(), "name": name}
        told = json.loads(re.sub(r"\{(\w+)\}", lambda match: names[match[1]], json.dumps(value)))
        document = {**maze.idp.metadata, "issuer": issuer, word: told, "id": index}
        with maze.answering(f"/{name}{WELL_KNOWN}", Said(body=json.dumps(document).encode())):
            stays(maze, maze.forget(name))


INSIDE = (
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://localhost.:{port}/", "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/",
    "http://0x7f000001:{port}/", "http://0177.0.0.1:{port}/", "http://0:{port}/", "http://0.0.0.0:{port}/", "http://[::]:{port}/",
    "http://127.0.0.1.:{port}/", "http://127.0.0.2:{port}/", "http://１２７.0.0.1:{port}/", "http://127。0。0。1:{port}/",
    "http://%31%32%37.0.0.1:{port}/", "http://[::127.0.0.1]:{port}/", "http://[64:ff9b::7f00:1]:{port}/", "http://[fe80::1%25lo]:{port}/",
    "https://127.0.0.1:{port}/", "http://a@127.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://100.64.0.1/", "http://198.18.0.1/",
    "http://192.0.0.8/", "http://240.0.0.1/", "http://255.255.255.255/", "http://[fe80::1]/", "http://[fd00::1]/", "http://10.0.0.1/",
    "http://192.168.0.1/", "http://172.16.0.1/", "http://[2002:7f00:1::]/", "http://[2001:db8::1]/", "http://224.0.0.1/",
)  # fmt: skip


WAYS_IN = [("token_endpoint", address) for address in INSIDE]
WAYS_IN += [(word, address) for word in ("jwks_uri", "userinfo_endpoint") for address in INSIDE[:6]]


@pytest.mark.parametrize(("word", "address"), WAYS_IN)
def test_what_is_inside_is_not_called_because_a_provider_says_so(
    maze: Scene, trap: Peer, word: str, address: str
) -> None:
    """H18, O01, O03, O07: in every spelling that a resolver takes; refused at once, or when it would be called."""
    maze.idp.profile_in_id_token = False
    try:
        with maze.spare(**{word: address.format(port=trap.port)}) as name:
            browser = maze.stage.browser()
            answer = maze.depart(browser, name)
            if answer.status == 200:
                back = maze.agree(find_onward(answer), maze.newcomer(), provider=name)
                with maze.nothing_happens(asks=True, provider=name):
                    answer = maze.come_back(browser, back, name)
    finally:
        maze.idp.profile_in_id_token = True
    assert is_refusal(answer, 502)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_follows_a_redirect(maze: Scene, trap: Peer, status: int) -> None:
    """O06, H18: neither secret nor code goes on to where an answer points, nor does the question itself."""
    places = (f"http://127.0.0.1:{trap.port}/", f"{maze.idp.url}/again", "/again", "//127.0.0.1/", "")
    maze.idp.profile_in_id_token = False
    try:
        for path, place in product(("/token", "/userinfo"), places):
            moved = Said(status, b'{"access_token": "a"}', headers={"location": place})
            with maze.answering(path, moved):
                assert is_refusal(maze.sign_in(maze.stage.browser(), maze.newcomer()), 502)
    finally:
        maze.idp.profile_in_id_token = True
    assert maze.asked("/again") == 0


ECHOES: dict[str, Callable[[Request], str]] = {
    "the header": lambda request: request.headers["authorization"],
    "the form": lambda request: " ".join(request.form.values()),
    "the form as it travelled": lambda request: urlencode(request.form),
    "the secret as it travelled": lambda _request: f"client_secret={quote_plus(CLIENT_SECRET)}",
    "the secret in the other way": lambda _request: f"client_secret={quote(CLIENT_SECRET, safe='')}",
}


@pytest.mark.parametrize("word", ["error", "error_description"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_provider_that_repeats_what_we_sent_puts_none_of_it_in_the_log(
    scene: Scene, echo: Callable[[Request], str], word: str
) -> None:
    """H17, L18, O12: our secret, the code and the verifier, as they are and as they travelled."""

    def repeat(request: Request) -> Said:
        return Said(400, json.dumps({"error": "x", word: echo(request)}).encode())

    size = scene.stage.log_size()
    with scene.answering("/token", repeat):
        assert is_refusal(scene.sign_in(scene.stage.browser()), 502)
    sent = scene.idp.asked("/token")[-1]
    secrets = [sent.form["code_verifier"], sent.form["code"], sent.headers["authorization"].removeprefix("Basic ")]
    secrets += [CLIENT_SECRET, quote_plus(CLIENT_SECRET), quote(CLIENT_SECRET, safe="")]
    logged = scene.stage.log_since(size)
    assert '"upstream_failed"' in logged
    assert [secret for secret in secrets if secret in logged] == []


@pytest.mark.parametrize("announced", [["plain"], [], None, "S256", ["plain", "s256"], [["S256"]]], ids=str)
def test_nobody_talks_us_out_of_the_challenge(maze: Scene, announced: object) -> None:
    """H06: whatever the provider says about challenges, ours is S256."""
    with maze.spare(code_challenge_methods_supported=announced) as name:
        query = query_of(maze.leave(maze.stage.browser(), name))
    assert query["code_challenge_method"] == "S256"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", query["code_challenge"])


@pytest.mark.parametrize("announced", [["none"], ["HS256", "none"], [], ["RS256 "], ["ES256"]], ids=str)
def test_no_description_widens_what_signatures_are_accepted(maze: Scene, announced: list[str]) -> None:
    """I01, I02: it can only narrow them; one that leaves nothing leaves nobody in."""
    with maze.spare(id_token_signing_alg_values_supported=announced) as name:
        answer = maze.sign_in(maze.stage.browser(), maze.newcomer(), name)
    assert is_refusal(answer, 502)


@pytest.mark.parametrize("announced", [["none"], [], ["private_key_jwt"], ["client_secret_jwt"], ["evil"]], ids=str)
def test_no_description_has_us_leave_out_who_we_are(maze: Scene, announced: list[str]) -> None:
    """H18: the secret we have is shown in a way that we know, or nothing is asked."""
    with maze.spare(token_endpoint_auth_methods_supported=announced) as name:
        browser = maze.stage.browser()
        answer = maze.depart(browser, name)
        if announced:
            back = maze.agree(maze.leave(browser, name), "alice", provider=name)
            calls = maze.asked()
            assert is_refusal(maze.come_back(browser, back, name), 502)
            assert maze.asked() == calls
    assert CLIENT_ID.encode() not in answer.head
