"""Second factors at the real sign-in (attacks F): half a sign-in is none, and every code is good once."""

from collections import Counter
from urllib.parse import urlencode

import pytest

from tests.attacks.factors import Guarded, enter, guard, half_way, local
from tests.attacks.household import CROWD, House, form_post, rush
from tests.attacks.stage import Browser, Person, Stage, handed_out
from tests.attacks.test_routes import ANYBODY, DECLARED, TURNED_AWAY, fill_in
from tests.attacks.wire import DIALECTS

STEPS = [(method, path) for method, path in DECLARED if path.startswith("/login/") and "*" not in path]
"""The addresses of a sign-in's steps."""
GUARDED = [key for key, declared in DECLARED.items() if declared.whose != ANYBODY]


@pytest.fixture(scope="module")
def guarded(theatre: Stage) -> Guarded:
    """Somebody for the tests that spoil nothing."""
    return guard(theatre)


def test_half_a_sign_in_opens_no_page_and_no_app(stage: Stage, guarded: Guarded) -> None:
    """F06: over the whole table of routes, and at every endpoint of the check, wherever the ticket is put."""
    browser, fields = half_way(stage, guarded.person)
    ticket = fields["ticket"]
    for jar in ({}, {"doorward": ticket}, {"doorward": f"{ticket}.{ticket}"}):
        visitor = Browser(stage, browser.address, browser.jar | jar)
        for method, path in GUARDED:
            target = f"{fill_in(path)}?{urlencode({'ticket': ticket})}"
            bearer = (b"Authorization", b"Bearer " + ticket.encode())
            if path.startswith("/api/"):
                answer = visitor.call(method, target, bearer, (b"X-CSRF-Token", fields["csrf_token"].encode()))
            else:
                answer = visitor.post(target, fields, bearer) if method == "POST" else visitor.get(target, bearer)
            # What is no key is a wrong one at the API, and too many of them are told to wait.
            assert answer.status in TURNED_AWAY | ({429} if path.startswith("/api/") else set()), f"{method} {path}"
            assert handed_out(answer) == []
        cookie = "; ".join(f"{name}={value}" for name, value in visitor.jar.items()).encode()
        for dialect in DIALECTS:
            assert stage.ask(dialect, cookie=cookie, more=[bearer]).status in {302, 303, 401}


@pytest.mark.parametrize(("method", "path"), STEPS, ids=lambda value: value)
def test_half_a_sign_in_skips_no_step(stage: Stage, guarded: Guarded, method: str, path: str) -> None:
    """F06: every other step leads back to the one that is due, and no other browser is let on to it."""
    browser, fields = half_way(stage, guarded.person)
    ticket = urlencode({"ticket": fields["ticket"]})
    more = {
        "password": "A new 1, long enough!",
        "password_again": "A new 1, long enough!",
        "kept": "1",
        "code": "",
        "answer": "{}",
    }
    stranger = stage.browser()
    own = {**fields, "csrf_token": stranger.open_form().fields["csrf_token"]}
    for visitor, sent in ((browser, fields), (stranger, own)):
        before = stage.query("SELECT * FROM users WHERE name = ?", guarded.person.name)
        answer = visitor.post(path, {**sent, **more}) if method == "POST" else visitor.get(f"{path}?{ticket}")
        assert handed_out(answer) == []
        assert stage.query("SELECT * FROM users WHERE name = ?", guarded.person.name) == before
        if answer.status == 303:
            assert visitor is browser
            assert local(answer).startswith("/login/factor?ticket=")
        elif answer.status == 200:
            assert visitor is browser
            assert path in {"/login/factor", "/login/passkey/options"}
        else:
            assert answer.status in {400, 403, 404, 409, 429}


def test_a_code_lets_in_once(stage: Stage) -> None:
    """F01: neither it nor the one before it again, from a sign-in of its own each."""
    guarded = guard(stage)
    statuses = []
    for after in (0, 1, 1, 0):
        browser, fields = half_way(stage, guarded.person)
        statuses.append(enter(browser, guarded.person, "/login/factor", {**fields, "code": guarded.code(after)}))
    assert statuses == [403, 303, 403, 403]


def test_of_many_with_one_code_at_once_one_is_let_in(house: House) -> None:
    """F01: from fifty browsers."""
    guarded = guard(house.stage)
    assert race(house.stage, guarded.person, "/login/factor", {"code": guarded.code()}) == 1


def test_a_recovery_code_is_good_for_its_own_account_only(stage: Stage) -> None:
    """F08: and is still there for its owner afterwards."""
    mine, theirs = guard(stage), guard(stage)
    browser, fields = half_way(stage, mine.person)
    assert enter(browser, mine.person, "/login/recovery-code", {**fields, "recovery_code": theirs.codes[0]}) == 403
    browser, fields = half_way(stage, theirs.person)
    assert enter(browser, theirs.person, "/login/recovery-code", {**fields, "recovery_code": theirs.codes[0]}) == 303


def test_of_many_with_one_recovery_code_at_once_one_is_let_in(house: House) -> None:
    """F09: from fifty browsers; nine are left."""
    guarded = guard(house.stage)
    code = guarded.codes[0]
    assert race(house.stage, guarded.person, "/login/recovery-code", {"recovery_code": code}) == 1
    left = (
        "SELECT count(*) FROM recovery_codes WHERE used_at IS NULL AND user_id = (SELECT id FROM users WHERE name = ?)"
    )
    assert house.stage.query(left, guarded.person.name) == [(9,)]


def test_a_spent_recovery_code_is_spent_in_every_spelling(stage: Stage) -> None:
    """F09: capitals, without dashes, with blanks."""
    guarded = guard(stage)
    code = guarded.codes[0]
    statuses = []
    for spelling in (code.upper(), code.replace("-", ""), f" {code} "):
        browser, fields = half_way(stage, guarded.person)
        statuses.append(enter(browser, guarded.person, "/login/recovery-code", {**fields, "recovery_code": spelling}))
    assert statuses == [303, 403, 403]


def race(stage: Stage, person: Person, target: str, proof: dict[str, str]) -> int:
    """Show one proof from many browsers at once; how many were let in."""
    standing = [half_way(stage, person) for _ in range(CROWD)]
    answers = rush(stage, [form_post(browser, target, {**fields, **proof}) for browser, fields in standing])
    for answer in answers:
        stage.live |= dict.fromkeys(handed_out(answer), person)
    assert Counter(answer.status for answer in answers).keys() <= {303, 403, 409, 429}
    assert all((answer.status == 303) == (handed_out(answer) != []) for answer in answers)
    return sum(len(handed_out(answer)) for answer in answers)
