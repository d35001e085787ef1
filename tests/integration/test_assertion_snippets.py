"""What the guide shows apps in other languages: it takes what is good, and nothing else."""

import hashlib
import hmac
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.attacks.forger import ALGORITHMS, AUDIENCE, HOME, ISSUER, PATH, Forger, b64
from tests.integration.processes import find_program
from tests.integration.recipes import FILES
from tests.integration.upstream.node import find_node

HERE = Path(__file__).parent
LANGUAGES = ("mjs", "php")


def run_snippet(language: str, cases: list[dict[str, object]], address: str = "") -> list[dict[str, object] | str]:
    """What the guide's code says of each case."""
    program = find_node() if language == "mjs" else find_program("php", "apt-get install php-cli")
    command = [program, str(HERE / f"assertion_driver.{language}"), str(FILES / f"assertions/assertion.{language}")]
    given = json.dumps({"cases": cases, **({"address": address} if address else {})})
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert len(said) == len(cases)
    return said


def case_of(forger: Forger, token: object, **changes: object) -> dict[str, object]:
    """What an app knows of one request."""
    return {
        "token": token,
        "method": "GET",
        "url": HOME + PATH,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithm": forger.algorithm.value,
        "keys": forger.key_set.decode(),
        "now": forger.now,
        **changes,
    }


def forgeries(forger: Forger) -> dict[str, object]:
    """What nobody may be taken in by."""
    stranger = Forger(forger.algorithm, "stranger")
    header, payload, signature = forger.token().split(".")
    at = forger.now

    def claiming(**changes: object) -> str:
        return forger.token(claims=forger.claims(**changes))

    def as_hmac(message: bytes) -> bytes:
        return hmac.new(forger.public.encode(), message, hashlib.sha256).digest()

    return {
        "nothing": None,
        "empty": "",
        "a number": 7,
        "no algorithm": forger.token(forger.header(alg="none"), sign=lambda _: b""),
        "an HMAC": forger.token(forger.header(alg="HS256"), sign=as_hmac),
        "an HMAC that says it is none": forger.token(sign=as_hmac),
        "somebody else's key": stranger.token(),
        "somebody else's signature": stranger.token(forger.header()),
        "critical": forger.token(forger.header(crit=["x"], x=1)),
        "a key of its own": forger.token(forger.header(jwk=json.loads(stranger.key_set)["keys"][0])),
        "another type": forger.token(forger.header(typ="at+jwt")),
        "no name": forger.token(forger.header(kid=["x"])),
        "a made-up name": forger.token(forger.header(kid="__proto__")),
        "zeros": forger.token(sign=lambda _: bytes(64)),
        "too short": forger.token(sign=lambda message: forger.sign(message)[:63]),
        "padded": f"{header}.{payload}.{signature}==",
        "another alphabet": f"{header}.{payload}.{signature[:-2]}+/",
        "two parts": f"{header}.{payload}",
        "five parts": f"{header}.{payload}.{signature}..",
        "JSON": json.dumps({"protected": header, "payload": payload, "signature": signature}),
        "no object": forger.token(claims=b"[]"),
        "no JSON": forger.token(claims=b"{"),
        "changed": f"{header}.{b64(json.dumps(forger.claims(sub='root')).encode())}.{signature}",
        "expired": claiming(iat=at - 120, exp=at - 60),
        "from the future": claiming(iat=at + 30, exp=at + 60),
        "too long": claiming(exp=at + 3600),
        "without an end": claiming(exp=None),
        "text for a time": claiming(exp=str(at + 60)),
        "another gateway": claiming(iss="https://evil.test"),
        "another app": claiming(aud="NAS"),
        "several apps": claiming(aud=[AUDIENCE, "NAS"]),
        "another method": claiming(htm="POST"),
        "another address": claiming(htu=HOME + "/other"),
        "another host": claiming(htu="https://nas.example.test" + PATH),
        "by http": claiming(htu="http://wiki.example.test" + PATH),
        "a longer path": claiming(htu=HOME + PATH + "/"),
        "no address": claiming(htu=None),
        "what is no address": claiming(htu="/page"),
        "nobody": claiming(sub=""),
    }


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda each: each.value)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_guides_code_takes_what_is_good_and_nothing_else(language: str, algorithm: object) -> None:
    """I01, I02, I04, I05, I07, I11, I13."""
    forger = Forger(algorithm)
    forged = forgeries(forger)
    other = "ES256" if forger.algorithm.value == "EdDSA" else "EdDSA"
    dav = HOME + "/dav/a%40b/%C3%A9"
    cases = [
        case_of(forger, forger.token()),
        case_of(forger, forger.token(), url="https://WIKI.example.test:443/page?query"),
        case_of(forger, forger.token(claims=forger.claims(htu=dav)), url=HOME + "/dav/a@b/%c3%a9"),
        case_of(forger, forger.token(claims=forger.claims(htu=HOME + "/%FF%00")), url=HOME + "/%ff%00"),
        case_of(forger, forger.token(), algorithm=other),
        case_of(forger, forger.token(), keys='{"keys": []}'),
        case_of(forger, forger.token(), method="POST"),
        case_of(forger, forger.token(), url=HOME + "/page/../page"),
        case_of(forger, forger.token(), url=HOME + "/page#/more"),
        case_of(forger, forger.token(claims=forger.claims(htu=HOME + "/a_b")), url=HOME + "/a\tb"),
        *(case_of(forger, token) for token in forged.values()),
    ]
    good, *said = [isinstance(each, dict) for each in run_snippet(language, cases)]
    assert good
    names = ("spelling", "escapes", "bytes", "algorithm", "no keys", "method", "dots", "fragment", "control", *forged)
    assert [name for name, taken in zip(names, said, strict=True) if taken] == ["spelling", "escapes", "bytes"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_requests_of_an_app_wait_for_the_keys_and_made_up_names_fetch_none(language: str) -> None:
    """I05: however many there are, the set is asked for once."""
    forger, asked = Forger(ALGORITHMS[0]), []

    class Handing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(forger.key_set)))
            self.end_headers()
            self.wfile.write(forger.key_set)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handing) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        tokens = [forger.token(forger.header(kid=f"made-up-{number}")) for number in range(5)]
        cases = [case_of(forger, token) for token in [*[forger.token()] * 3, *tokens, forger.token()]]
        said = run_snippet(language, cases, f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert [isinstance(each, dict) for each in said] == [True] * 3 + [False] * 5 + [True]
    assert len(asked) == 1
