"""Somebody in front of a door who administers through the API."""

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

from doorward.web.api.application import build_api
from doorward.web.api.parts import ApiParts
from doorward.web.client import Trust
from doorward.web.visit import Reader
from tests.fakes.door import Browser, Door
from tests.fakes.flows import SIGNING_KEY

JSON = {"accept": "application/json", "sec_fetch_mode": "cors"}


class Desk:
    """A door with an API, and somebody in front of it who sends JSON."""

    def __init__(self):
        self.door = Door()
        trust = Trust(networks=(ip_network("127.0.0.1"),))
        reader = Reader(self.door.cookies, trust, SIGNING_KEY, self.door.find_subject, self.door.touch)
        self.api = build_api(
            ApiParts(
                flows=self.door.flows,
                reader=reader,
                csrf=self.door.csrf,
                cookies=self.door.cookies,
                clock=self.door.clock,
                random=self.door.random,
                version="0",
                remember_me=True,
            )
        )
        self.door.server = replace(self.door.server, api=self.api, reader=reader)
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
