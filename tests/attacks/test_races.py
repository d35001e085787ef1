"""Races and stores that fail (attacks R): exactly one, each their own, and what was not written did not happen."""

import json
import os
import resource
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.attacks.factors import enter, guard, half_way, own_form
from tests.attacks.hasty import HASTY
from tests.attacks.household import CROWD, House, LetterBox, form_post, rush
from tests.attacks.invariants import attacked
from tests.attacks.stage import ALICE, BOB, CONFIG, NAVIGATION, ROOT, STRANGER, Person, Stage, handed_out, serving
from tests.attacks.wire import DIALECTS, Answer, question, write
from tests.integration.processes import free_ports

SPENT = ("totp", "recovery_codes", "passwords", "users")
"""What codes, links and new passwords change."""
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


def test_of_many_who_set_up_at_once_one_is_the_administrator(tmp_path: Path) -> None:
    """R01: with one link, from fifty browsers; afterwards the page is gone for good, whatever becomes of the accounts."""
    port, metrics = free_ports(2)
    with serving(tmp_path, CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics), port, program=HASTY) as stage:
        stage.gateway.process.wait_until(lambda: "/setup?token=" in stage.log)
        token = stage.log.split("/setup?token=")[1].split()[0]
        with attacked(stage):
            # From a peer that claims to be this machine, there is no way in without the link.
            for source in (STRANGER, "127.0.0.1"):
                raw = write(
                    b"GET",
                    b"/setup",
                    [(b"Host", b"auth.example.test"), (b"X-Forwarded-For", b"127.0.0.1"), *NAVIGATION],
                )
                assert stage.send(raw, source=source).status == 404
            browsers = [stage.browser() for _ in range(CROWD)]
            forms = [browser.open_form(f"/setup?token={token}").fields for browser in browsers]

            def submit(number: int) -> Answer:
                secret = f"A l0ng one for number {number}!"
                fields = {**forms[number], "name": f"first{number}", "password": secret, "password_again": secret}
                return stage.send(write(b"POST", b"/setup", browsers[number].headers(FORM), urlencode(fields).encode()))

            with ThreadPoolExecutor(CROWD) as pool:
                answers = list(pool.map(submit, range(CROWD)))
            assert Counter(answer.status == 303 for answer in answers) == {True: 1, False: CROWD - 1}
            assert sum(len(handed_out(answer)) for answer in answers) == 1
            assert {answer.status for answer in answers} <= {303, 404, 429, 503}
            assert stage.query("SELECT count(*), sum(is_admin) FROM users") == [(1, 1)]
            stage.change("DELETE FROM users")
            assert stage.browser().get(f"/setup?token={token}").status == 404
            assert submit(0).status in {403, 404}
            assert stage.query("SELECT count(*) FROM users") == [(0,)]
        assert stage.log.count(token) == 1
    with pytest.raises(Exception, match="set up"):
        stage.command("setup-link")


def test_every_answer_is_about_its_own_cookie(stage: Stage) -> None:
    """R07: two thousand checks of many people through all endpoints at once."""
    people = [(value, owner) for value, owner in stage.live.items() if owner.email][:20]
    assert len({owner.name for _, owner in people}) > 1
    asked = [(dialect, value, owner) for dialect, (value, owner) in product(DIALECTS, people)]

    def ask(start: int) -> int:
        named = 0
        with stage.connect() as line:
            for dialect, value, owner in asked[start:] + asked[:start]:
                verb, path, headers = question(dialect)
                cookie = (b"Cookie", b"doorward=" + value)
                raw = write(verb, path, [*headers, (b"X-Forwarded-For", b"203.0.113.7"), cookie])
                answer = stage.note(raw, line.exchange(raw))
                assert answer.status == 200
                named += answer.one("x-forwarded-user-email") == owner.email.encode()
        return named

    workers = max(2000 // len(asked), 16)
    with ThreadPoolExecutor(workers) as pool:
        assert list(pool.map(ask, range(workers))) == [len(asked)] * workers


def test_tries_at_once_do_not_outrun_the_lock(stage: Stage) -> None:
    """R04, E04, R10: twenty wrong passwords in parallel count as they would one after another."""
    guest = stage.newcomer("users")
    address = stage.address()
    browsers = [stage.browser(address) for _ in range(20)]
    forms = [browser.open_form().fields for browser in browsers]

    def attempt(number: int) -> int:
        body = urlencode({**forms[number], "login": guest.name, "password": f"wrong {number}"}).encode()
        return stage.send(write(b"POST", b"/login", browsers[number].headers(FORM), body)).status

    with ThreadPoolExecutor(20) as pool:
        statuses = Counter(pool.map(attempt, range(20)))
    assert statuses[403] == 2  # the third is told that it locked
    assert statuses[429] == 18


def test_one_form_sent_many_times_at_once_begins_one_session(stage: Stage) -> None:
    """R04, J01: the ticket is taken at most once."""
    guest = stage.newcomer("users")
    browser = stage.browser()
    body = urlencode({**browser.open_form().fields, "login": guest.name, "password": guest.password}).encode()
    raw = write(b"POST", b"/login", browser.headers(FORM), body)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: stage.send(raw), range(5)))
    given = [value for answer in answers for value in handed_out(answer)]
    assert len(given) == 1
    assert {answer.status for answer in answers} <= {303, 409, 429}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose store may be broken, with two people signed in."""
    port, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics)
    with serving(tmp_path, text, port, first=ROOT) as stage:
        for person in (ALICE, BOB):
            stage.add(person)
        stage.cookie_of(ALICE)
        stage.visitor(BOB)
        with attacked(stage, faults=True):
            yield stage


@contextmanager
def locked(stage: Stage) -> Iterator[None]:
    """Hold the one lock that everybody who writes needs."""
    with closing(sqlite3.connect(stage.database, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def full(stage: Stage) -> Iterator[None]:
    """No file of the server may grow by a byte, as on a full disk."""
    pid = stage.gateway.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    stage.query("SELECT 1")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("trouble", [locked, full], ids=["locked", "full"])
def test_what_could_not_be_written_did_not_happen(own: Stage, trouble) -> None:
    """R11, R12: a right password signs nobody in, a wrong one is not forgotten, a sign-out says that it failed."""
    signed_in, fresh = own.shelf[BOB.name], own.browser()
    form, leaving = fresh.open_form().fields, signed_in.open_form("/logout").fields
    sessions = own.query("SELECT handle FROM sessions ORDER BY handle")
    counters = own.query("SELECT count(*) FROM counters")
    with trouble(own):
        for password in (ROOT.password, "wrong"):
            answer = fresh.post("/login", {**form, "login": ROOT.name, "password": password})
            assert answer.status == 503
            assert handed_out(answer) == []
            _tells_nothing(answer)
        answer = signed_in.post("/logout", leaving)
        assert answer.status == 503
        assert b"doorward=;" not in answer.head
        _tells_nothing(answer)
        for dialect in DIALECTS:
            assert own.ask(dialect, cookie=own.cookie_of(ALICE)).status == 200  # reading is not in the way
            assert own.ask(dialect, cookie=b"doorward=x").status == 401
            assert own.ask(dialect, host=b"admin.example.test", cookie=own.cookie_of(ALICE)).status == 403
    assert own.query("SELECT handle FROM sessions ORDER BY handle") == sessions
    assert own.query("SELECT count(*) FROM counters")[0][0] <= counters[0][0] + 2
    assert own.ask("traefik", cookie=signed_in.cookie()).status == 200
    # And when the trouble is over, everything works again.
    assert signed_in.sign_out().status == 303
    assert own.browser().sign_in(ROOT).status == 303


@pytest.mark.parametrize("trouble", [locked, full], ids=["locked", "full"])
def test_what_could_not_be_spent_opens_nothing_and_is_still_good(own: Stage, trouble) -> None:
    """R11, R12, F01, F09: codes, links and new passwords, all at once; later each of them works, once."""
    guarded, guest = guard(own), own.newcomer("users")
    link = House(own, LetterBox()).hand_out(guest.name)
    inside = own.signed_in(own.newcomer("users"))
    started = {name: half_way(own, guarded.person) for name in ("code", "wrong", "recovery_code")}
    proofs = {"code": guarded.code(), "wrong": "000000", "recovery_code": guarded.codes[0]}
    requests = {}
    for name, (browser, fields) in started.items():
        target = "/login/recovery-code" if name == "recovery_code" else "/login/factor"
        field = "code" if name == "wrong" else name
        requests[name] = form_post(browser, target, {**fields, field: proofs[name]})
    fresh = {"password": "An0ther one altogether.", "password_again": "An0ther one altogether."}
    visitor = own.browser()
    requests["link"] = form_post(visitor, "/reset", {**visitor.open_form(link).fields, **fresh})
    requests["codes"] = form_post(inside, "/account/codes", own_form(inside))
    before = [own.query(f"SELECT * FROM {table} ORDER BY 1") for table in SPENT]
    with trouble(own):
        answers = dict(zip(requests, rush(own, list(requests.values())), strict=True))
    assert {answer.status for answer in answers.values()} == {503}, {
        name: each.status for name, each in answers.items()
    }
    for answer in answers.values():
        assert handed_out(answer) == []
        _tells_nothing(answer)
    assert [own.query(f"SELECT * FROM {table} ORDER BY 1") for table in SPENT] == before
    assert own.send(requests["link"]).status == 303
    assert own.send(requests["link"]).status in {400, 404}
    browser, fields = half_way(own, guarded.person)
    assert enter(browser, guarded.person, "/login/recovery-code", {**fields, "recovery_code": guarded.codes[0]}) == 303


def _tells_nothing(answer: Answer) -> None:
    for word in (b"sqlite", b"locked", b"database", b"disk", b"doorward.db", b"Traceback"):
        assert word not in answer.body.lower()


def test_a_store_that_is_gone_lets_nobody_in(own: Stage) -> None:
    """R11, R12: what cannot be looked up is not there; what is remembered may not outlive what took it away."""
    stranger = own.signed_in(ROOT).cookie()
    own.change("ALTER TABLE sessions RENAME TO lost")
    for dialect, cookie in product(DIALECTS, (stranger, own.cookie_of(ALICE))):
        answer = own.ask(dialect, cookie=cookie)
        assert answer.status in {401, 403, 503}
    assert own.browser().get("/readyz").status in {200, 503}
    own.change("ALTER TABLE lost RENAME TO sessions")
    assert own.ask("traefik", cookie=stranger).status == 200


def test_while_it_starts_and_while_it_ends_nothing_says_yes(tmp_path: Path) -> None:
    """C12: a connection that is open when the end comes gets an answer of its own, or none."""
    port, metrics = free_ports(2)
    with serving(tmp_path, CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics), port, first=ROOT) as stage:
        with attacked(stage), stage.connect() as line:
            raw = write(*question("traefik")[:2], question("traefik")[2])
            assert stage.note(raw, line.exchange(raw)).status == 401
            os.kill(stage.gateway.process.pid, 15)
            for _ in range(1000):
                answer = stage.note(raw, line.exchange(raw))
                assert answer.status in {0, 401, 503}
                if answer.status == 0:
                    break
            assert answer.status == 0
        assert stage.gateway.process.wait() == 0
        stage.gateway.process.stop()
        records = [json.loads(line) for line in stage.log.splitlines() if line.startswith("{")]
        assert records[-1]["event"] == "stopped"


def test_two_commands_that_make_the_same_account_make_one(stage: Stage) -> None:
    """R02: spelt alike or not."""
    guest = stage.newcomer("users")
    for name in (guest.name, guest.name.upper(), f" {guest.name} "):
        with pytest.raises(Exception, match=r"taken|already|exists"):
            stage.add(Person(name, "", "An0ther one altogether."))
    stage.people = {key: person for key, person in stage.people.items() if key.strip().lower() == key}
    assert stage.query("SELECT count(*) FROM users WHERE name = ?", guest.name) == [(1,)]
