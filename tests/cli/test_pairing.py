"""Devices are paired with a real server: by the client of the guide, by an ordinary library, and by many at once."""

import re
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html import unescape
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import pytest
from oauthlib.oauth2 import DeviceClient
from requests_oauthlib import OAuth2Session

from tests.cli.conftest import Place

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "pairing.md"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
HOST = "app.door.localhost"
MANY = 24
NUMBERS = count(1)
MORE = "limits: {key_create: [999/1m], pairing: [999/1m], pairing_code: [999/1m], login: [999/1m]}\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        place = Place(tmp_path_factory.mktemp("pairing"))
        place.write(MORE + "api_keys: {max: 100}\n")
        patch.chdir(place.folder)
        place.add("root", "--admin")
        for name in ("alice", "bob"):
            place.add(name)
        with place.serving() as server:
            yield place, server


@pytest.fixture
def found(running, monkeypatch):
    """Names of ours are found as they are in a house; what is waited for comes at once."""
    look_up = socket.getaddrinfo

    def find(host, *more, **named):
        return look_up("127.0.0.1" if str(host).endswith(".door.localhost") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", find)
    return running


class Person:
    """Somebody at a browser, signed in."""

    def __init__(self, server, name):
        self.server = server
        answer = server.fill("/login", login=name, password="Tr4vel-by-Night!")
        assert answer.status_code == 303
        self.jar = {}
        self._keep(answer)

    def _keep(self, answer):
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.jar[name] = value
        return answer

    @property
    def _cookie(self):
        return "; ".join(f"{name}={value}" for name, value in self.jar.items())

    def get(self, path):
        return self._keep(self.server.get(path, cookie=self._cookie))

    def press(self, path, page, **fields):
        token = re.search(r'name="csrf_token" value="([^"]*)"', page.text)
        assert token, page.text
        return self._keep(
            self.server.send(
                "POST",
                path,
                cookie=self._cookie,
                origin=f"http://auth.door.localhost:{self.server.main}",
                content_type="application/x-www-form-urlencoded",
                content=urlencode({"csrf_token": unescape(token[1]), **fields}).encode(),
            )
        )

    def approve(self, code, **fields):
        page = self.press("/device", self.get("/device"), code=code)
        assert page.status_code == 200, page.text
        values = {"code": code, "act": "approve", "name": f"Phone {next(NUMBERS)}", "host-0": HOST, **fields}
        answer = self.press("/device/answer", page, **values)
        assert answer.headers.get("location", "").endswith("/device?done=approved"), answer.text


def check(server, key, host=HOST):
    return server.get(
        "/api/auth/forwardauth",
        authorization=f"Bearer {key}",
        x_forwarded_method="GET",
        x_forwarded_host=host,
        x_forwarded_uri="/",
    ).status_code


def ask(server, path, **fields):
    return server.send(
        "POST", path, content_type="application/x-www-form-urlencoded", content=urlencode(fields).encode()
    )


def count_keys(place):
    with closing(sqlite3.connect(place.folder / "data" / "doorward.db")) as database:
        return database.execute("SELECT count(*) FROM app_keys").fetchone()[0]


def test_the_client_of_the_guide_is_let_in(found, capsys, monkeypatch):
    """Word for word, but for the addresses and for who waits."""
    _, server = found
    [block] = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert len(block.splitlines()) <= 27
    program = block.replace("https://auth.example.com", f"http://auth.door.localhost:{server.main}")
    program = program.replace("wiki.example.com", HOST)
    person, waits = Person(server, "alice"), []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            person.approve(re.search(r"type ([A-Z-]{9})", capsys.readouterr().out)[1])

    monkeypatch.setattr(time, "sleep", wait)
    exec(compile(program, "pairing.md", "exec"), {})  # noqa: S102 -- what the guide says
    key = capsys.readouterr().out.partition("Bearer ")[2].strip()
    assert waits == [5, 5]
    assert check(server, key) == 200
    assert check(server, key, "staff.door.localhost") == 403


def test_an_ordinary_library_is_let_in(found, monkeypatch):
    """requests-oauthlib, told nothing of us but our address (RFC 8414, RFC 8628)."""
    _, server = found
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    home = f"http://auth.door.localhost:{server.main}"
    client = DeviceClient(client_id="Ordinary App")
    with OAuth2Session(client=client) as session:
        metadata = session.get(f"{home}/.well-known/oauth-authorization-server", withhold_token=True).json()
        assert metadata["issuer"] == home
        begun = session.post(
            metadata["device_authorization_endpoint"],
            data={"client_id": client.client_id, "scope": f"host:{HOST} offline_access"},
            withhold_token=True,
        ).json()
        Person(server, "bob").approve(begun["user_code"])
        token = session.fetch_token(
            metadata["token_endpoint"],
            device_code=begun["device_code"],
            include_client_id=True,
        )
        assert token["token_type"] == "Bearer"
        assert token["scope"] == [f"host:{HOST}"]
        assert check(server, token["access_token"]) == 200


def test_of_many_who_fetch_one_key_at_once_one_gets_it(running):
    """E21: with one code, from as many connections, over a real database; three times."""
    place, server = running
    person = Person(server, "alice")
    for _ in range(3):
        begun = ask(server, "/api/device/code", client_id="Crowd", scope=f"host:{HOST}").json()
        person.approve(begun["user_code"])
        before, start = count_keys(place), threading.Barrier(MANY)

        def fetch(_number, start=start, device_code=begun["device_code"]):
            start.wait(timeout=60)
            return ask(server, "/api/device/token", client_id="Crowd", grant_type=GRANT, device_code=device_code)

        with ThreadPoolExecutor(MANY) as pool:
            answers = list(pool.map(fetch, range(MANY)))
        good = [answer.json() for answer in answers if answer.status_code == 200]
        assert len(good) == 1
        assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
        assert count_keys(place) == before + 1
        assert check(server, good[0]["access_token"]) == 200


def test_what_was_approved_is_not_given_once_its_owner_is_disabled(running):
    """J04: by another process, between the approval and the fetch."""
    place, server = running
    place.add("carol")
    begun = ask(server, "/api/device/code", client_id="Late", scope=f"host:{HOST}").json()
    Person(server, "carol").approve(begun["user_code"])
    place.answer("user", "disable", "carol")
    before = count_keys(place)
    answer = ask(server, "/api/device/token", client_id="Late", grant_type=GRANT, device_code=begun["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")
    assert count_keys(place) == before


def test_no_code_and_no_key_is_written_to_the_log(running):
    place, server = running
    begun = ask(server, "/api/device/code", client_id="Quiet", scope=f"host:{HOST}").json()
    Person(server, "bob").approve(begun["user_code"])
    body = ask(
        server, "/api/device/token", client_id="Quiet", grant_type=GRANT, device_code=begun["device_code"]
    ).json()
    for secret in (begun["device_code"], begun["user_code"], body["access_token"].split("_")[2]):
        assert secret not in server.process.log
        for file in (place.folder / "data").glob("doorward.db*"):
            assert secret.encode() not in file.read_bytes()
