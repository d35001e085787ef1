"""Where a provider of the configuration may be: nowhere inside, unless it is named; and it proves who it is (O, T-16)."""

import json
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from doorward.cli import build
from tests.attacks.abroad import NAMES, Scene, Shore, abroad, entry, is_refusal, trapped
from tests.attacks.stage import CONFIG, ROOT, handed_out
from tests.attacks.test_provider_discovery import INSIDE, WELL_KNOWN
from tests.attacks.test_provider_tokens import GARBAGE
from tests.fakes.loopback import Answer as Said
from tests.fakes.peer import Peer
from tests.integration.processes import free_ports
from tests.integration.tls import Authority

OURSELVES = (
    "https://auth.example.test", "https://auth.example.test/", "https://AUTH.example.test", "https://auth.example.test.",
    "https://auth.example.test:443", "http://auth.example.test", "http://127.0.0.1:@port@", "http://localhost:@port@",
    "http://[::ffff:127.0.0.1]:@port@", "http://127.0.0.1:@metrics@", "http://localhost:@metrics@",
)  # fmt: skip
"""This gateway, by its names and addresses."""
SCHEMES = (
    "file:///etc/passwd", "ftp://idp.example.test/", "gopher://idp.example.test/", "unix:/run/docker.sock", "data:application/json,{}",
    "http+unix://%2Frun%2Fdocker.sock", "HTTPS://idp.example.test", "//idp.example.test", "idp.example.test", "https:idp.example.test",
    "javascript:alert(1)", "https://idp.example.test\\@127.0.0.1", "https://a:b@idp.example.test", "https://idp.example.test/\r\nX: y",
    "https://idp.example.test/ x", "https://idp.example.test/?x=1", "https://idp.example.test/#x", "https://idp.example.test:0",
    "https://idp.example.test:99999", "https://", "https://idp.еxample.test", "https://[::1", "",
)  # fmt: skip
"""What is no place of a provider."""


@pytest.fixture(scope="module")
def shore() -> Iterator[Shore]:
    with Shore() as shore:
        yield shore


def starts(folder: Path, issuer: str, **outbound: Any) -> bool:
    """Whether a configuration with this provider is one that can be started."""
    port, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics)
    text += f"authn: {json.dumps({'providers': [entry('idp', issuer)]})}\noutbound: {json.dumps(outbound)}\n"
    text = text.replace("@port@", str(port)).replace("@metrics@", str(metrics))
    (folder / "doorward.yaml").write_text(text, "utf-8")
    line = ["config", "check", "--config", str(folder / "doorward.yaml")]
    return CliRunner().invoke(build("config"), line).exit_code == 0


@pytest.mark.parametrize("issuer", SCHEMES)
def test_what_is_no_place_of_a_provider_is_refused_at_the_start(tmp_path: Path, issuer: str) -> None:
    """O07, O13, O09."""
    assert not starts(tmp_path, issuer, insecure_http=True)


def test_plain_http_is_refused_at_the_start_unless_it_is_wanted(tmp_path: Path) -> None:
    """O07: and it is said by name what it is."""
    assert not starts(tmp_path, "http://idp.example.test")
    assert starts(tmp_path, "http://idp.example.test", insecure_http=True)


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory, shore: Shore) -> Iterator[tuple[Scene, Peer, list[str]]]:
    """A gateway whose providers are all inside, or itself; what listens there; and those it starts with."""
    folder = tmp_path_factory.mktemp("inside")
    with trapped(shore) as peer:
        addresses = [address.format(port=peer.port) for address in INSIDE]
        addresses += [*OURSELVES, "https://127.0.0.1:22", "http://127.0.0.1:6379", "http://localhost:25"]
        known = [address for address in addresses if starts(folder, address, insecure_http=True)]
        entries = [entry(f"inside-{number}", address) for number, address in enumerate(known)]
        # The networks of this machine are open, at ports that lead to ourselves and nowhere else.
        allow = [
            "127.0.0.0/8:@port@",
            "127.0.0.0/8:@metrics@",
            "localhost:@port@",
            "localhost:@metrics@",
            "auth.example.test",
        ]
        with abroad(folder, {"idp": {}}, more=entries, allow=allow, first=ROOT) as scene:
            yield scene, peer, known


def test_no_provider_of_the_configuration_is_inside(inside: tuple[Scene, Peer, list[str]]) -> None:
    """O01, O03, O09, O15, T-16: neither at a sign-in nor at a test; the page does not tell what is there."""
    scene, peer, known = inside
    assert len(known) > 20  # those that are addresses at all; the others did not start
    assert sum(any(own.startswith(address.partition("@")[0]) for own in OURSELVES) for address in known) >= 3
    sizes = set()
    for number, address in enumerate(known):
        name = f"inside-{number}"
        browser = scene.stage.browser()
        answer = scene.depart(browser, name)
        assert is_refusal(answer, 502), (address, answer)
        page = scene.examine(name)
        assert b"HTTP/1" not in page.body
        assert b"doorward_" not in page.body  # of the metrics
        sizes.add(len(re.sub(rb"nonce-[^\"']+|inside-[0-9]+", b"", answer.body)))
    assert peer.connections == 0
    log = scene.stage.log
    for path in (WELL_KNOWN, "/jwks"):
        assert f'"path": "{path}"' not in log  # we did not call ourselves
    assert handed_out(scene.sign_in(scene.stage.browser()))


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
def test_a_test_does_not_tell_what_answers_there(maze: Scene, said: Said) -> None:
    """O12, H17: the words of an OAuth error, cleaned and escaped; of anything else nothing, head, body or banner."""
    is_error = b'"error"' in said.body
    paths = {"/token", "/jwks", "/authorize", "/userinfo"}
    for path in (WELL_KNOWN, *paths):
        with maze.spare() as name:
            place = f"/{name}{path}" if path == WELL_KNOWN else path
            with maze.answering(place, said):
                page = maze.examine(name)
        assert b"<script>qqcanary" not in page.body
        assert is_error or b"qqcanary" not in page.body, path


def test_the_environment_leads_nothing_elsewhere(tmp_path: Path, shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    """O10: proxies, netrc, files of authorities and of keys that others set for other programs."""
    with trapped(shore) as peer:
        proxy = f"http://user:qqcanary@127.0.0.1:{peer.port}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "SOCKS_PROXY"):
            monkeypatch.setenv(name, proxy)
            monkeypatch.setenv(name.lower(), proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        (tmp_path / ".netrc").write_text("default login qqcanary password qqcanary\n", "ascii")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        with abroad(tmp_path, {"idp": {}}, first=ROOT) as scene:
            scene.idp.profile_in_id_token = False
            assert handed_out(scene.sign_in(scene.stage.browser()))
            seen = [value for request in scene.idp.requests for value in (*request.headers.values(), request.path)]
        assert not any("qqcanary" in value for value in seen)
        assert peer.connections == 0


REBOUND = (
    ["127.0.0.9"], ["127.0.0.1", "127.0.0.9"], ["127.0.0.9", "127.0.0.1"], ["127.0.0.1", "::1"], ["::ffff:127.0.0.9"],
    ["127.0.0.1", "10.0.0.1"], ["169.254.169.254"], ["0.0.0.0"], ["127.0.0.1"] * 20 + ["127.0.0.9"], [],
)  # fmt: skip
"""What a name server answers when it was asked before; only 127.0.0.1 is open to us."""


def test_a_name_that_leads_inside_later_is_not_followed(tmp_path: Path) -> None:
    """O04, T-16: judged at every call, on every address of the answer, on the address that is connected to."""
    names = tmp_path / NAMES

    def lead(*addresses: str) -> None:
        (tmp_path / "new").write_text(json.dumps({"idp.example.test": addresses}), "utf-8")
        (tmp_path / "new").rename(names)

    lead("127.0.0.1")
    with abroad(tmp_path, {"idp": {"issuer_url": "http://idp.example.test:@idp@"}}, first=ROOT) as scene:
        host = f"127.0.0.1:{urlsplit(scene.idp.url).port}"
        named = json.loads(json.dumps(scene.idp.metadata).replace(host, host.replace("127.0.0.1", "idp.example.test")))
        scene.idp.metadata = named
        scene.stage.abroad.add(urlsplit(named["issuer"]).netloc)
        scene.forget("idp")
        scene.idp.profile_in_id_token = False
        assert handed_out(scene.sign_in(scene.stage.browser()))
        with socket.create_server(("127.0.0.9", urlsplit(scene.idp.url).port)) as trap:
            trap.setblocking(False)
            for addresses in REBOUND:
                browser = scene.stage.browser()
                back = scene.agree(scene.leave(browser))
                lead(*addresses)
                with scene.nothing_happens():
                    assert is_refusal(scene.come_back(browser, back), 502)
                # Between the token endpoint and userinfo, and at a test.
                lead("127.0.0.1")
                with scene.meanwhile(lambda each=addresses: lead(*each)):
                    assert is_refusal(scene.sign_in(scene.stage.browser(), scene.newcomer()), 502)
                scene.examine("idp")
                assert is_refusal(scene.depart(scene.stage.browser(), "idp"), 502)
                lead("127.0.0.1")
                scene.forget("idp")
            with pytest.raises(BlockingIOError):
                trap.accept()
        assert handed_out(scene.sign_in(scene.stage.browser()))


def test_a_provider_proves_who_it_is_or_is_not_spoken_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """O16, O10: another name, too late, of an authority nobody knows; nothing is sent, and nothing switches it off."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    ours, theirs = Authority(), Authority()
    made = {
        "good": ours.issue("127.0.0.1"),
        "name": ours.issue("idp.example.test"),
        "address": ours.issue("127.0.0.2"),
        "late": ours.issue("127.0.0.1", lasting=-timedelta(minutes=1)),
        "foreign": theirs.issue("127.0.0.1"),
    }
    contexts = {}
    for name, (certificate, key) in made.items():
        (tmp_path / f"{name}.pem").write_bytes(certificate + key)
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(tmp_path / f"{name}.pem")
    (tmp_path / "ca.pem").write_bytes(ours.pem)
    providers: dict[str, dict[str, Any]] = {name: {} for name in made}
    outbound = {"ca_file": str(tmp_path / "ca.pem"), "insecure_http": False}
    with abroad(tmp_path, providers, tls=contexts, outbound=outbound, first=ROOT) as scene:
        assert handed_out(scene.sign_in(scene.stage.browser(), provider="good"))
        for name in sorted(made.keys() - {"good"}):
            assert is_refusal(scene.depart(scene.stage.browser(), name), 502)
            scene.examine(name)
            assert scene.fakes[name].requests == []
    if (tmp_path / "keys").exists():  # opened by OpenSSL before we can say no, with a line of its own
        assert [line for line in (tmp_path / "keys").read_text("ascii").splitlines() if not line.startswith("#")] == []
    for switch in ("verify", "insecure_tls", "insecure_skip_verify", "tls_verify", "skip_tls_verify"):
        assert not starts(tmp_path, "https://idp.example.test", **{switch: True})
    assert starts(tmp_path, "https://idp.example.test")
