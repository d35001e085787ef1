"""Codes on paper that open everything (attacks E, N, R): guessed, used twice, raced for, and brought back by a restore."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.attacks.household import form_post, rush
from tests.attacks.invariants import attacked
from tests.attacks.stage import Person, Stage, handed_out

PAGE = "/break-glass"
GUESSES = 30


@pytest.fixture
def glass(theatre: Stage) -> Iterator[Stage]:
    """The stage; a code that is refused is no failed sign-in of anybody's."""
    with attacked(theatre, faults=True):
        yield theatre


def make_kit(stage: Stage) -> tuple[Person, str]:
    """An administrator with a code."""
    chief = stage.newcomer("users", admin=True)
    printed = stage.command("incident", "kit", chief.name)
    found = re.search(r"^ {4}(\S{64})$", printed, re.MULTILINE)
    assert found is not None
    return chief, found[1]


def come_in(stage: Stage, code: str, *, address: str = "") -> int:
    """Type a code in a fresh browser; the status. Who comes in leaves again."""
    browser = stage.browser(address)
    answer = browser.post(PAGE, {**browser.open_form(PAGE).fields, "code": code})
    if handed_out(answer):
        browser.sign_out()
    return answer.status


def test_guessing_is_throttled_and_a_used_code_is_worth_nothing(glass: Stage) -> None:
    """E06, R04: a code near the right one opens nothing, from one address only so often; the right one once."""
    _, code = make_kit(glass)
    make_kit(glass)  # so that the page is there afterwards
    guess = ("2" if code[0] != "2" else "3") + code[1:]
    statuses = [come_in(glass, guess, address="198.51.100.77") for _ in range(8)]
    assert set(statuses) <= {403, 429}
    assert statuses[-1] == 429
    assert come_in(glass, code, address="198.51.100.78") == 303
    assert come_in(glass, code, address="198.51.100.79") == 403


def test_of_many_with_one_code_at_once_one_comes_in(glass: Stage) -> None:
    """R04: from as many addresses."""
    chief, code = make_kit(glass)
    make_kit(glass)
    asked = []
    for number in range(GUESSES):
        browser = glass.browser(f"198.51.100.{100 + number}")
        asked.append(form_post(browser, PAGE, {**browser.open_form(PAGE).fields, "code": code}))
    answers = rush(glass, asked)
    opened = [value for answer in answers for value in handed_out(answer)]
    glass.live |= dict.fromkeys(opened, chief)
    assert sorted(answer.status for answer in answers)[:1] == [303]
    assert len([answer for answer in answers if answer.status == 303]) == 1


def test_a_used_code_does_not_come_back_with_a_backup(glass: Stage) -> None:
    """N06: the backup was made while it was good."""
    from doorward.rules.restoring import COMPARED, merge

    chief, code = make_kit(glass)
    make_kit(glass)
    then = _read(glass, COMPARED)
    assert come_in(glass, code, address="198.51.100.90") == 303
    now = _read(glass, COMPARED)
    kept = merge(now, then, 0).tables["break_glass"]
    user_id = glass.query("SELECT id FROM users WHERE name = ?", chief.name)[0][0]
    assert [bool(kit["used_at"]) for kit in kept if kit["user_id"] == user_id] == [True]


def _read(stage: Stage, names: tuple[str, ...]) -> dict[str, list[dict[str, object]]]:
    with closing(sqlite3.connect(f"file:{stage.database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}
