"""Second factors that disappear from the database (attacks M): what was set up is missed, and nobody gets in without."""

from collections.abc import Iterator

import pytest

from tests.attacks.factors import enter, give_passkey, guard, half_way, local
from tests.attacks.invariants import attacked
from tests.attacks.stage import ROOT, Person, Stage, handed_out
from tests.fakes.authenticator import Authenticator

_OF = "user_id = (SELECT id FROM users WHERE name = ?)"


@pytest.fixture
def changed(theatre: Stage) -> Iterator[Stage]:
    """The stage, for somebody who changes its data: answers may be 5xx, everything else holds."""
    with attacked(theatre, faults=True):
        yield theatre


def try_in(stage: Stage, person: Person) -> int:
    """Try the right password; the status. Nobody is let in, or any further."""
    answer = stage.browser().try_password(person.name, person.password)
    assert handed_out(answer) == []
    assert answer.status != 303
    return answer.status


def lost_of(stage: Stage, person: Person) -> list[str]:
    """What is noted as missing of this person's factors, each time."""
    user_id = stage.query("SELECT id FROM users WHERE name = ?", person.name)[0][0]
    return [each["public"] for each in stage.audit("system.tamper") if each["subject"] == user_id]


def assert_shut_until_reset(stage: Stage, person: Person, lost: str) -> None:
    """Nobody gets in with the password, which is noted; only an administrator's reset lets the account in again."""
    assert try_in(stage, person) == 403
    noted = lost_of(stage, person)
    assert len(noted) == 1
    assert '"where":"users.factors"' in noted[0]
    assert lost in noted[0]
    user_id = stage.query("SELECT id FROM users WHERE name = ?", person.name)[0][0]
    assert stage.query("SELECT count(*) FROM alerts WHERE kind = 'factors_lost' AND about = ?", user_id) == [(1,)]
    assert try_in(stage, person) == 403
    administrator = stage.signed_in(ROOT)
    token = administrator.open_form("/logout").fields["csrf_token"].encode()
    reset = administrator.call("POST", f"/api/v1/users/{user_id}/reset-factors", (b"X-CSRF-Token", token))
    assert reset.status in {200, 204}
    assert stage.browser().sign_in(person).status == 303


SPOILT = {
    "totp": (f"DELETE FROM totp WHERE {_OF}", "totp"),
    "recovery_codes": (f"DELETE FROM recovery_codes WHERE {_OF}", "codes:10"),
    "one_code": (f"DELETE FROM recovery_codes WHERE position = 3 AND {_OF}", "codes:10"),
    "mark": ("UPDATE users SET factors = '' WHERE name = ?", "mark"),
    "mark_of_another": (
        "UPDATE users SET factors = (SELECT factors FROM users WHERE name = 'alice') WHERE name = ?",
        "mark",
    ),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_factor_that_was_removed_in_the_database_is_missed(changed: Stage, spoil: str) -> None:
    """M10: not let in by the password alone, whichever row is gone."""
    guarded = guard(changed)
    statement, lost = SPOILT[spoil]
    changed.change(statement, guarded.person.name)
    assert_shut_until_reset(changed, guarded.person, lost)


def test_passkeys_and_everything_that_were_removed_are_missed(changed: Stage) -> None:
    """M10: the mark along with them, too."""
    person = changed.newcomer("users")
    give_passkey(changed, person, Authenticator())
    changed.change(f"DELETE FROM passkeys WHERE {_OF}", person.name)
    assert_shut_until_reset(changed, person, "passkey:")
    guarded = guard(changed)
    for table in ("totp", "recovery_codes"):
        changed.change(f"DELETE FROM {table} WHERE {_OF}", guarded.person.name)
    changed.change("UPDATE users SET factors = '' WHERE name = ?", guarded.person.name)
    assert_shut_until_reset(changed, guarded.person, "mark")


def test_a_secret_that_was_emptied_opens_nothing(changed: Stage) -> None:
    """M10: the factor is still asked for, no code of it is right, and a recovery code works."""
    guarded = guard(changed)
    changed.change(f"UPDATE totp SET sealed = '' WHERE {_OF}", guarded.person.name)
    browser, fields = half_way(changed, guarded.person)
    assert enter(browser, guarded.person, "/login/factor", {**fields, "code": guarded.code()}) == 500
    browser, fields = half_way(changed, guarded.person)
    code = {**fields, "recovery_code": guarded.codes[0]}
    assert enter(browser, guarded.person, "/login/recovery-code", code) == 303


def test_a_factor_removed_while_a_sign_in_waits_for_it_lets_nobody_in(changed: Stage) -> None:
    """M10: at the second step, neither by the code nor by a recovery code; nothing of it is asked for any more."""
    guarded = guard(changed)
    browser, fields = half_way(changed, guarded.person)
    changed.change(f"DELETE FROM totp WHERE {_OF}", guarded.person.name)
    for target, field, proof in (
        ("/login/factor", "code", guarded.code()),
        ("/login/recovery-code", "recovery_code", guarded.codes[0]),
    ):
        answer = browser.post(target, {**fields, field: proof})
        assert handed_out(answer) == []
        assert local(answer) == "/login"
    assert try_in(changed, guarded.person) == 403
