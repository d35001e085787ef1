"""Access tokens of a real gateway that is told of them by its environment, as of old: what they say, open and outlive."""

import base64
import hmac
import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from doorward.rules.access_token import AccessToken, write_token
from doorward.rules.app_key import KeyId
from doorward.rules.identity import UserId
from tests.integration.gateway import doorward
from tests.profiles.gateway import HOME, serve

SECRET = "nRk5sVlJ0qzEw2bYtB8uXh3mPdCf7aGi"
ISSUER, AUDIENCE = "Tempo", "clients"
OWN = "/api/v1/account"
TOKENS = "/api/v1/access-tokens"
NAMED = {"JWT__Issuer": ISSUER, "JWT__Audience": AUDIENCE}
WEEK = 7 * 24 * 60 * 60


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """One for all: nobody here tries anything from an address that somebody else tries from."""
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "secret").write_text(SECRET + "\n", "utf-8")
    (folder / "secret").chmod(0o600)
    variables = {**NAMED, "DOORWARD__JWT__SECRET_FILE": str(folder / "secret")}
    more = f"cookie: {{domain: {HOME}}}\n"
    with serve(folder, "balanced", cookie="doorward", more=more, variables=variables) as running:
        yield running


def make(gateway, login, *, name="Client"):
    """A token of somebody who has just signed in, and what is told with it."""
    visitor = gateway.visitor().sign_in(login)
    proof = visitor.get("/api/auth/csrf-token").json()["csrf_token"]
    body = json.dumps({"name": name, "hosts": [gateway.app], "scopes": ["read"]}).encode()
    made = visitor.send("POST", TOKENS, content=body, x_csrf_token=proof, content_type="application/json")
    assert made.status_code == 201, made.text
    return made.json()


def opens(gateway, token):
    """What the gate and the API answer to it, from an address of its own."""
    asked = {"x_forwarded_method": "GET", "x_forwarded_host": gateway.app, "x_forwarded_uri": "/"}
    visitor, shown = gateway.visitor(), {"authorization": f"Bearer {token}"}
    return (
        visitor.get("/api/auth/forwardauth", **asked, **shown).status_code,
        visitor.get(OWN, **shown).status_code,
    )


def read(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_token_says_who_made_it_for_whom_and_counts_for_seven_days(gateway):
    """E-20, E-22, E-23, E-04: signed with what stands in the file, so that others can verify it, and in no cookie."""
    told = make(gateway, "alice")
    signed, _, signature = told["text"].rpartition(".")
    digest = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), signed.encode(), "sha256"))
    assert signature == digest.rstrip(b"=").decode()
    header, claims = (read(part) for part in signed.split("."))
    assert header == {"alg": "HS256", "typ": "doorward-at+jwt"}
    assert set(claims) == {"iss", "aud", "sub", "name", "jti", "iat", "exp", "purpose"}
    assert (claims["iss"], claims["aud"], claims["name"]) == (ISSUER, AUDIENCE, "alice")
    assert claims["exp"] - claims["iat"] == WEEK
    assert abs(claims["iat"] - datetime.now(UTC).timestamp()) < WEEK / 7
    assert claims["jti"] == told["key"]["id"]
    assert opens(gateway, told["text"]) == (200, 200)


def test_a_token_that_says_anything_else_opens_nothing(gateway):
    """E-22: even one that the very secret has signed, with an id that is there: of another issuer or audience, or late."""
    told = make(gateway, "alice", name="The real one")
    claims = read(told["text"].split(".")[1])
    now = datetime.now(UTC)
    good = {"issuer": ISSUER, "audience": AUDIENCE}
    hour, week = timedelta(hours=1), timedelta(days=7)
    lasting = AccessToken(KeyId(claims["jti"]), UserId(claims["sub"]), "alice", now - hour, now + week)
    over = AccessToken(lasting.id, lasting.user_id, "alice", now - week - hour, now - hour)
    for token, says, secret in (
        (lasting, good, SECRET),  # the row knows the one that was made, and no other
        (lasting, {**good, "issuer": "tempo"}, SECRET),
        (lasting, {**good, "audience": "Tempo"}, SECRET),
        (lasting, good, SECRET[:-1]),
        (over, good, SECRET),
    ):
        assert opens(gateway, write_token(token, secret=secret.encode(), **says)) == (401, 401)
    assert opens(gateway, told["text"]) == (200, 200)


@pytest.mark.parametrize(("act", "refused"), [(("session", "end", "--user"), 401), (("user", "disable"), 403)])
def test_a_token_ends_with_the_sessions_of_its_owner(gateway, act, refused):
    """J04: at the very next request, though what it says is good for days."""
    name = f"guest-{act[1]}"
    gateway.add(name)
    token = make(gateway, name)["text"]
    assert opens(gateway, token) == (200, 200)
    gateway.command(*act, name)
    assert opens(gateway, token) == (refused, 401)


def test_a_token_is_taken_back_by_its_id(gateway):
    """B-17, E-23: it is in the list of keys, and goes as they do."""
    told = make(gateway, "alice", name="Lost")
    gateway.command("key", "revoke", told["key"]["id"])
    assert opens(gateway, told["text"]) == (401, 401)


@pytest.mark.parametrize(
    ("secret", "in_file"),
    [
        ("CHANGE_THIS_IN_PRODUCTION_USE_ENVIRONMENT_VARIABLE", False),
        ("your-secret-key-here-at-least-32-characters", True),
        ("changeme", False),
        (SECRET[:-1], False),
        (SECRET[:-1], True),
        ("", True),
    ],
)
def test_a_secret_that_anybody_could_guess_stops_the_start(tmp_path, monkeypatch, secret, in_file):
    """E-01, E-03, E-04, E-21: whether it stands in the environment or in a file, and it is not repeated."""
    (tmp_path / "doorward.yaml").write_text(
        "server: {addr: '127.0.0.1:0', public_url: 'https://auth.example.test'}\nprometheus: {addr: off}\n", "utf-8"
    )
    (tmp_path / "secret").write_text(secret + "\n", "utf-8")
    (tmp_path / "secret").chmod(0o600)
    for name, value in NAMED.items():
        monkeypatch.setenv(name, value)
    if in_file:
        monkeypatch.setenv("DOORWARD__JWT__SECRET_FILE", str(tmp_path / "secret"))
    else:
        monkeypatch.setenv("DOORWARD__JWT__SECRET", secret)
    ended = subprocess.run(doorward("serve"), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78, ended.stderr
    assert "jwt.secret" in ended.stderr.lower()
    assert not secret or secret not in ended.stdout + ended.stderr
    assert not (tmp_path / "data").exists()
