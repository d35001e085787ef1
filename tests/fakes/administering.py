"""Somebody in front of a door who administers through the API."""

import json
from datetime import timedelta

from tests.fakes.api import open_api
from tests.fakes.door import Browser, Door

JSON = {"accept": "application/json", "sec_fetch_mode": "cors"}


class Desk:
    """A door with an API, and somebody in front of it who sends JSON."""

    def __init__(self):
        self.door = open_api(Door())
        self.api = self.door.server.api
        self.town = self.door.town
        self.ids = {}

    @classmethod
    async def open(cls):
        """With root, who administers, alice and bob."""
        made = cls()
        for name in ("root", "alice", "bob"):
            made.ids[name] = (await made.door.add_user(name, admin=name == "root")).id
        return made

    async def enter(self, name="root"):
        browser = Browser(self.door)
        answer = await browser.sign_in(name)
        assert answer.status == 303, answer.text
        return browser

    async def look(self, browser, target):
        return read(await browser._send("GET", target.format(**self.ids), JSON))

    async def act(self, browser, method, target, body=None, *, guarded=True, raw=None, **headers):
        more = {"origin": self.door.site.origin, "sec_fetch_site": "same-origin"}
        if guarded:
            _, told = await self.look(browser, "/api/auth/csrf-token")
            more["x_csrf_token"] = told["csrf_token"]
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        if sent:
            more["content_type"] = "application/json"
        return read(await browser._send(method, target.format(**self.ids), {**JSON, **more, **headers}, sent))

    def wait(self, **span):
        self.door.clock.advance(timedelta(**span))


def read(answer):
    told = json.loads(answer.body) if answer.body else None
    if answer.status >= 400:
        assert answer.header("content-type") == "application/problem+json"
        assert told["status"] == answer.status
        assert told["code"]
    return answer.status, told
