"""People at a gateway that may be gone at any moment, and what each of them was told: it must still be so afterwards.

Each worker does one kind of thing over and over. What it is about to do, it notes before; what was acknowledged, after.
What was cut off in between may have happened or not, as a whole: `check` accepts both, and then holds to what it found.
"""

import json
import re
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import Any, Protocol

from doorward.rules.audit import Act
from tests.attacks.factors import Guarded, begin, enter, guard, half_way, make_key, own_form
from tests.attacks.household import shown_url
from tests.attacks.nursery import Child
from tests.attacks.stage import AUTH, DEVICE_COOKIE, ROOT, Browser, Person, Stage, handed_out
from tests.attacks.wire import PATIENCE, Answer

SAMPLE = 6
"""How many of the older things are looked at again after every end."""


class Worker(Protocol):
    """Somebody who uses the gateway."""

    def act(self) -> None:
        """Do one thing."""

    def check(self) -> None:
        """Assert that everything that was acknowledged is so. Nobody else is there meanwhile."""


def work_until_killed(stage: Stage, workers: Sequence[Worker], gateway: Child, moment: float) -> set[str]:
    """Have all of them work at once, and kill the gateway so many seconds after the first had an answer.

    Which kinds of them had one.
    """
    begun, killed, done = Event(), Event(), set[str]()

    def work(worker: Worker) -> None:
        try:
            while not killed.is_set():
                worker.act()
                begun.set()
                done.add(type(worker).__name__)
        except (OSError, AssertionError):
            # Until it is killed, everything is answered, and answered well.
            if not killed.is_set():
                raise
        finally:
            begun.set()
            stage.hang_up()

    with ThreadPoolExecutor(len(workers)) as pool:
        futures: list[Future[None]] = [pool.submit(work, worker) for worker in workers]
        # The first page that is asked for after a start takes as long as all the others.
        begun.wait(PATIENCE)
        gateway.lives_for(moment)
        killed.set()
        was_there = gateway.kill()
    for future in futures:
        future.result()
    assert was_there, f"it ended by itself, with {gateway.code}:\n{gateway.log}"
    return done


def call(browser: Browser, method: str, target: str, token: str, body: object) -> Answer:
    """Call the API as a script of our own page does."""
    own = (b"Content-Type", b"application/json"), (b"X-CSRF-Token", token.encode()), (b"Origin", b"https://" + AUTH)
    return browser.call(method, target, *own, body=json.dumps(body).encode())


@dataclass(slots=True)
class Comer:
    """Signs in, and out again."""

    stage: Stage
    person: Person
    random: Random
    inside: list[Browser] = field(default_factory=list)
    leaving: list[Browser] = field(default_factory=list)
    outside: list[bytes] = field(default_factory=list)

    def act(self) -> None:
        """Come or go."""
        if self.inside and self.random.random() < 0.4:
            browser = self.inside.pop(self.random.randrange(len(self.inside)))
            self.leaving.append(browser)
            cookie = browser.cookie()
            assert browser.sign_out().status == 303
            self.leaving.remove(browser)
            self.outside.append(cookie)
        else:
            self.inside.append(self.stage.signed_in(self.person))

    def check(self) -> None:
        """Who is in is in, who is out is out."""
        for browser in self.leaving:
            status = self.ask(browser.cookie())
            assert status in {200, 401}
            if status == 200:
                self.inside.append(browser)
        self.leaving.clear()
        for browser in _some(self.random, self.inside):
            assert self.ask(browser.cookie()) == 200
        for cookie in _some(self.random, self.outside):
            assert self.ask(cookie) == 401

    def ask(self, cookie: bytes) -> int:
        """What a check says."""
        return self.stage.ask("traefik", cookie=cookie).status


@dataclass(slots=True)
class Owner:
    """Changes their own name and password."""

    stage: Stage
    person: Person
    random: Random
    browser: Browser | None = None
    names: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    """The one that was good at the last look, and those that were sent since."""
    told: int = 0
    """How many changes were acknowledged since."""
    changed: int = 0
    count: int = 0

    def act(self) -> None:
        """Change one of them."""
        self.names = self.names or [self.person.name]
        self.passwords = self.passwords or [self.person.password]
        if self.browser is None:
            self.browser = self.come(self.passwords[0])
        token = own_form(self.browser)["csrf_token"]
        self.count += 1
        if self.random.random() < 0.7:
            name = f"Number {self.count}"
            self.names.append(name)
            assert call(self.browser, "PATCH", "/api/v1/account", token, {"display_name": name}).status == 200
            self.names = [name]
        else:
            password = f"Canary-of-the-Own3r {self.count}!"
            old = self.passwords[-1]
            self.passwords.append(password)
            body = {"current": old, "password": password}
            assert call(self.browser, "POST", "/api/v1/account/password", token, body).status == 200
            self.told = len(self.passwords) - 1

    def check(self) -> None:
        """One name, one password, and it is one of those that were sent."""
        ((shown,),) = self.stage.query("SELECT display_name FROM users WHERE name = ?", self.person.name)
        assert not self.names or shown in self.names
        self.names = [shown]
        recorded = len(self.stage.audit(Act.PASSWORD_CHANGED.value))
        happened, self.changed = recorded - self.changed, recorded
        assert self.told <= happened <= max(len(self.passwords) - 1, 0)
        if self.passwords:
            self.passwords, self.told = [self.passwords[happened]], 0
            self.browser = self.come(self.passwords[0])

    def come(self, password: str) -> Browser:
        """Sign in on the device that was used last: strangers are slowed down."""
        browser = self.stage.browser()
        if self.browser is not None and DEVICE_COOKIE in self.browser.jar:
            browser.jar[DEVICE_COOKIE] = self.browser.jar[DEVICE_COOKIE]
        assert browser.try_password(self.person.name, password).status == 303
        return browser


@dataclass(slots=True)
class Ruler:
    """Makes, changes and deletes accounts."""

    stage: Stage
    random: Random
    people: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict)
    """What each may be now, by id; None: gone."""
    made: list[str] = field(default_factory=list)
    count: int = 0

    def act(self) -> None:
        """Do one of them."""
        root = self.stage.visitor(ROOT)
        token = own_form(root)["csrf_token"]
        present = [each for each, states in self.people.items() if states != [None]]
        choice = self.random.random()
        self.count += 1
        if len(present) < 3 or choice < 0.3:
            body = {"name": f"subject{self.count}", "password": "Canary-of-a-Subj3ct!", "groups": ["users"]}
            answer = call(root, "POST", "/api/v1/users", token, body)
            assert answer.status == 201
            told = json.loads(answer.body)
            self.people[told["id"]] = [{"enabled": True, "display_name": told["display_name"], "groups": ["users"]}]
            return
        who = self.random.choice(present)
        (state,) = self.people[who]
        assert state is not None
        if choice < 0.45:
            self.people[who].append(None)
            assert call(root, "DELETE", f"/api/v1/users/{who}", token, {}).status == 204
        else:
            groups = sorted({f"g{self.random.randrange(5)}" for _ in range(3)})
            # All of it or nothing.
            change = {"enabled": not state["enabled"], "display_name": f"S {self.count}", "groups": groups}
            self.people[who].append(change)
            answer = call(root, "PATCH", f"/api/v1/users/{who}", token, change)
            assert answer.status == 200
        self.people[who] = self.people[who][-1:]

    def check(self) -> None:
        """Each account is as it was made, or as it was before."""
        for who, states in self.people.items():
            found = self.stage.query("SELECT enabled, display_name FROM users WHERE id = ?", who)
            groups = self.stage.query("SELECT group_name FROM memberships WHERE user_id = ? ORDER BY 1", who)
            now = [
                {"enabled": bool(row[0]), "display_name": row[1], "groups": [each[0] for each in groups]}
                for row in found
            ]
            state = now[0] if now else None
            assert state in states
            assert found or not groups
            self.people[who] = [state]


@dataclass(slots=True)
class Newcomers:
    """Register with an invitation, one after another."""

    stage: Stage
    random: Random
    link: str = ""
    people: list[Person] = field(default_factory=list)
    count: int = 0

    def act(self) -> None:
        """Be the next."""
        if not self.link:
            root = self.stage.visitor(ROOT)
            page = root.post("/admin/invites", {**own_form(root), "uses": "9999", "days": "7", "note": "for all"})
            assert page.status == 200
            self.link = shown_url(page.body).partition(AUTH.decode())[2]
        self.count += 1
        person = Person(f"comer{self.count}", "", f"Canary-of-a-C0mer {self.count}!")
        browser = self.stage.browser()
        fields = browser.open_form(self.link).fields
        own = {"name": person.name, "password": person.password, "password_again": person.password}
        answer = browser.post("/register", {**fields, **own})
        assert (answer.status, len(handed_out(answer))) == (303, 1)
        self.people.append(person)

    def check(self) -> None:
        """Everybody who was let in is there, can sign in, and has cost one use."""
        for person in self.people:
            assert self.stage.query("SELECT count(*) FROM users WHERE name = ?", person.name) == [(1,)]
        for person in _some(self.random, self.people)[:2]:
            self.stage.signed_in(person)
        spent = self.stage.query("SELECT coalesce(sum(uses), 0) FROM invites")[0][0]
        assert spent == len(self.stage.audit(Act.INVITE_USED.value)) == len(self.stage.audit(Act.REGISTERED.value))
        assert len(self.people) <= spent <= self.count


@dataclass(slots=True)
class Keyholder:
    """Makes keys for apps, and takes them back."""

    stage: Stage
    random: Random
    person: Person
    held: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    doubtful: str = ""  # being taken back when it was cut off
    count: int = 0

    def act(self) -> None:
        """Make one, or take one back."""
        browser = self.stage.visitor(self.person)
        self.count += 1
        if len(self.held) < 3:
            self.held.append(make_key(browser, f"Phone {self.count}"))
            return
        form = own_form(browser)
        text = self.doubtful = self.held.pop(self.random.randrange(3))
        assert browser.post("/keys/revoke", {**form, "key": text.split("_")[1]}).status == 303
        self.doubtful = ""
        self.revoked.append(text)

    def check(self) -> None:
        """A key that was shown opens, and one that was taken back does not."""
        if self.doubtful:
            (self.held if self.opens(self.doubtful) else self.revoked).append(self.doubtful)
            self.doubtful = ""
        assert all(self.opens(text) for text in self.held)
        assert not any(self.opens(text) for text in _some(self.random, self.revoked)[:2])
        made, gone = (len(self.stage.audit(act.value)) for act in (Act.APP_KEY_MADE, Act.APP_KEY_REVOKED))
        assert self.stage.query("SELECT count(*) FROM app_keys") == [(made - gone,)]

    def opens(self, text: str) -> bool:
        """Whether it opens the app at this moment."""
        status = self.stage.ask("nginx", more=((b"X-Api-Key", text.encode()),)).status
        return {200: True, 401: False}[status]


@dataclass(slots=True)
class Spender:
    """Signs in with recovery codes, each of which is good once."""

    stage: Stage
    random: Random
    guarded: Guarded
    codes: list[str]
    spent: list[str] = field(default_factory=list)
    known: bool = True
    tries: int = 0

    @classmethod
    def begin(cls, stage: Stage, random: Random) -> "Spender":
        """Somebody with an app and codes."""
        guarded = guard(stage)
        return cls(stage, random, guarded, list(guarded.codes))

    def act(self) -> None:
        """Spend one, or have new ones made with the last but one."""
        browser, fields = half_way(self.stage, self.guarded.person)
        if not self.codes:
            return
        code = self.codes.pop()
        status = enter(browser, self.guarded.person, "/login/recovery-code", {**fields, "recovery_code": code})
        if status == 429:
            # What was cut off in the middle counts as wrong, as it must: the account is locked for a while.
            self.codes, self.known = [], False
            return
        assert status == 303
        self.spent.append(code)
        if len(self.codes) < 2:
            form = own_form(browser)
            page, form["offer"] = begin(browser, "/account/codes", form)
            fresh = re.findall(r'<li class="code">([0-9a-z-]{19})</li>', page)
            # From here on the old ones may be gone, and these may be good.
            self.codes, self.known = [], False
            assert browser.post("/account/codes/keep", {**form, "kept": "1"}).status == 303
            self.codes, self.known = fresh, True

    def check(self) -> None:
        """A code that was taken is taken; as many are gone as were recorded."""
        user = "(SELECT id FROM users WHERE name = ?)"
        name = self.guarded.person.name
        used = self.stage.query(
            f"SELECT count(*) FROM recovery_codes WHERE user_id = {user} AND used_at IS NOT NULL", name
        )
        recorded = self.stage.query(
            f"SELECT count(*) FROM audit WHERE act = ? AND subject = {user} AND sequence > "
            f"(SELECT max(sequence) FROM audit WHERE act = ? AND subject = {user})",
            Act.RECOVERY_CODE_USED.value, name, Act.RECOVERY_CODES_MADE.value, name,
        )  # fmt: skip
        assert used == recorded
        assert self.stage.query(f"SELECT count(*) FROM recovery_codes WHERE user_id = {user}", name) == [(10,)]
        # Two wrong ones: more would lock the account, and spending with it.
        if self.spent and self.tries < 2:
            self.tries += 1
            browser, fields = half_way(self.stage, self.guarded.person)
            fields["recovery_code"] = self.spent[-1]
            status = enter(browser, self.guarded.person, "/login/recovery-code", fields)
            assert status == 403
        if not self.known:
            # Which ten are good nobody was told, or none is for now. Somebody else takes over.
            fresh = Spender.begin(self.stage, self.random)
            self.guarded, self.codes, self.spent, self.known, self.tries = fresh.guarded, fresh.codes, [], True, 0


@dataclass(slots=True)
class Guesser:
    """Tries passwords for somebody else's account."""

    stage: Stage
    victim: Person
    tries: int = 0

    def act(self) -> None:
        """Guess."""
        answer = self.stage.browser().try_password(self.victim.name, f"guess {self.tries}")
        assert answer.status in {403, 429}
        self.tries += answer.status == 403

    def check(self) -> None:
        """Every wrong one that was answered is counted, and in the record."""
        user = self.stage.query("SELECT id FROM users WHERE name = ?", self.victim.name)[0][0]
        failures = [each for each in self.stage.audit(Act.LOGIN_FAILED.value) if each["subject"] == user]
        assert len(failures) >= self.tries


def _some(random: Random, things: Sequence[Any]) -> list[Any]:
    """The newest, and some of the others."""
    older = things[:-2]
    return [*random.sample(older, min(SAMPLE, len(older))), *things[-2:]]
