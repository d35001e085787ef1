"""Fifty at once at one account (attacks R): the last administrator stays, and an address belongs to one."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.factors import own_form
from tests.attacks.hasty import HASTY
from tests.attacks.household import CROWD, House, form_post, rush
from tests.attacks.invariants import attacked
from tests.attacks.stage import AUTH, CONFIG, ROOT, Browser, Person, Stage, serving
from tests.attacks.wire import Answer, write
from tests.integration.processes import free_ports

ROUNDS = 3


@pytest.fixture
def palace(tmp_path: Path) -> Iterator[Stage]:
    """A house with two administrators, whose fate is in their own hands."""
    port, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics)
    limits = "limits: {admin: [9999/1m], destructive: [9999/1m], login: [9999/1m]}\n"
    with serving(tmp_path, text + limits, port, first=ROOT, program=HASTY) as stage:
        stage.add(Person("regent", "regent@example.test", "Canary-of-the-R3gent!", ("users",), admin=True))
        with attacked(stage):
            yield stage


def call(browser: Browser, method: str, target: str, token: str, body: object) -> bytes:
    """The bytes of a call of the API, as a script of our own page sends them."""
    own = ((b"Content-Type", b"application/json"), (b"X-CSRF-Token", token.encode()), (b"Origin", b"https://" + AUTH))
    return write(method.encode(), target.encode(), browser.headers(*own), json.dumps(body).encode())


def strikes(stage: Stage, own: Browser, me: Person, rival: Person) -> list[bytes]:
    """Every way in which one of them can leave, or have the other go."""
    form = own_form(own)
    token = form["csrf_token"]
    ((mine,), (theirs,)) = (stage.query("SELECT id FROM users WHERE name = ?", each.name) for each in (me, rival))
    acts = [("disable", rival), ("unmake_admin", rival), ("unmake_admin", me), ("disable", me)]
    return [
        *(form_post(own, "/admin/users/act", {**form, "login": each.name, "act": word}) for word, each in acts),
        form_post(own, "/admin/users/delete", {**form, "login": rival.name, "confirm": rival.name}),
        form_post(own, "/account/delete", {**form, "confirm": me.name}),
        call(own, "PATCH", f"/api/v1/users/{theirs[0]}", token, {"is_admin": False}),
        call(own, "PATCH", f"/api/v1/users/{theirs[0]}", token, {"enabled": False}),
        call(own, "PATCH", f"/api/v1/users/{mine[0]}", token, {"is_admin": False}),
        call(own, "DELETE", f"/api/v1/users/{theirs[0]}", token, {}),
        call(own, "DELETE", "/api/v1/account", token, {"confirm": me.name}),
    ]


def test_the_last_administrator_stays(palace: Stage) -> None:
    """R05: two of them disable, demote and delete each other and themselves, by fifty clients at once."""
    rivals = (ROOT, palace.people["regent"])
    for _ in range(ROUNDS):
        mine, theirs = (strikes(palace, palace.signed_in(me), me, rivals[me is ROOT]) for me in rivals)
        requests = [each for pair in zip(mine, theirs, strict=True) for each in pair] * 3
        answers = rush(palace, requests[:CROWD])
        assert {answer.status for answer in answers} <= {204, 200, 303, 401, 403, 404, 409}
        # Whoever is first has the other out, and stays whether they want to or not.
        assert palace.query("SELECT count(*) FROM users WHERE is_admin AND enabled") == [(1,)]
        for person in rivals:
            palace.bury(person)
            restore(palace, person)
    assert palace.query("SELECT count(*) FROM users WHERE is_admin AND enabled") == [(2,)]


def restore(stage: Stage, person: Person) -> None:
    """As they were before."""
    if not stage.query("SELECT 1 FROM users WHERE name = ?", person.name):
        stage.add(person)
        return
    stage.command("user", "enable", person.name)
    stage.command("user", "edit", person.name, "--admin")


def ask_for(house: House, browser: Browser, address: str) -> None:
    """Have a link sent to an address that is to be one's own."""
    answer = browser.post("/account/email/ask", {**own_form(browser), "email": address})
    assert b"done=mailed" in answer.one("location"), answer


def confirm(house: House, links: list[str]) -> list[Answer]:
    """Use links from many browsers at once, each as often as the others."""
    requests = []
    for link in (links * CROWD)[:CROWD]:
        browser = house.stage.browser()
        requests.append(form_post(browser, "/account/email", browser.open_form(link).fields))
    return rush(house.stage, requests)


def test_an_address_that_two_want_at_once_belongs_to_one(house: House) -> None:
    """R02, R04: both have a good link to it."""
    people = [house.stage.newcomer() for _ in range(2)]
    address = f"{house.fresh()}@example.test"
    for person in people:
        ask_for(house, house.stage.signed_in(person), address)
    house.wait_for(address, 2)
    links = [house.own(url) for url in house.urls(address)]
    assert len(links) == 2
    answers = confirm(house, links)
    assert Counter(answer.status for answer in answers) == {200: 1, 404: CROWD - 1}
    assert house.stage.query("SELECT count(*) FROM users WHERE email = ?", address) == [(1,)]
    ((winner,),) = house.stage.query("SELECT name FROM users WHERE email = ?", address)
    house.stage.bury(house.stage.people[winner])


def test_of_two_addresses_one_counts(house: House) -> None:
    """R04, R08: the second link was made for an account that has another address by now."""
    person = house.stage.newcomer()
    browser = house.stage.signed_in(person)
    addresses = [f"{house.fresh()}@example.test" for _ in range(2)]
    for address in addresses:
        ask_for(house, browser, address)
    links = [house.link(address) for address in addresses]
    answers = confirm(house, links)
    house.stage.bury(person)
    assert Counter(answer.status for answer in answers) == {200: 1, 404: CROWD - 1}
    ((email,),) = house.stage.query("SELECT email FROM users WHERE name = ?", person.name)
    assert email in addresses
