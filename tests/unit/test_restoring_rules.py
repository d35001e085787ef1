"""What a restore takes from the backup, and what it leaves as it is now (N06)."""

import pytest

from doorward.rules.restoring import COMPARED, Effect, merge

NOW = 1_000


def a_user(name, **given):
    fields = {"enabled": True, "is_admin": False, "must_change_password": False, "generation": 1, "email": ""}
    return {"id": name, "name": name, **fields, **given}


def tables(*users, **given):
    return {name: [] for name in COMPARED} | {"users": list(users)} | given


def merged(present, saved):
    """The tables, and whom each effect is about."""
    found = merge(present, saved, NOW)
    return found.tables, {each.effect: each.names for each in found.effects}


def test_the_same_backup_changes_nothing():
    alice = a_user("alice")
    found, effects = merged(tables(alice), tables(alice))
    assert effects == {}
    assert found["users"] == [{**alice, "generation": 2}]


def test_who_lost_administration_since_does_not_get_it_back():
    """N06."""
    found, effects = merged(tables(a_user("alice")), tables(a_user("alice", is_admin=True)))
    assert effects == {Effect.STAYS_DEMOTED: ("alice",)}
    assert found["users"][0]["is_admin"] is False


def test_who_was_given_a_first_password_since_has_none_again():
    password = {"user_id": "alice", "changed_at": 5}
    stays = {"user_id": "erin", "changed_at": 5}
    found, effects = merged(
        tables(a_user("alice"), a_user("erin"), passwords=[password, stays]), tables(a_user("alice"))
    )
    assert effects == {Effect.PASSWORD_GOES: ("alice",), Effect.GOES: ("erin",)}
    assert found["passwords"] == []


FACTORS = [
    ("passkeys", {"id": "key", "user_id": "alice", "sign_count": 1}),
    ("totp", {"user_id": "alice", "created_at": 3, "last_step": 1}),
]


@pytest.mark.parametrize(("table", "row"), FACTORS)
def test_a_second_factor_added_since_goes_and_one_removed_since_returns(table, row):
    alice = a_user("alice")
    found, effects = merged(tables(alice, **{table: [row]}), tables(alice))
    assert effects == {Effect.FACTORS_GO: ("alice",)}
    assert found[table] == []
    found, effects = merged(tables(alice), tables(alice, **{table: [row]}))
    assert effects == {Effect.FACTORS_RETURN: ("alice",)}
    assert found[table] == [row]


@pytest.mark.parametrize(("table", "row"), FACTORS)
def test_the_factors_of_an_account_that_comes_or_goes_are_not_named_besides(table, row):
    alice = a_user("alice")
    assert merged(tables(alice, **{table: [row]}), tables())[1] == {Effect.GOES: ("alice",)}
    assert merged(tables(), tables(alice, **{table: [row]}))[1] == {Effect.RETURNS_DISABLED: ("alice",)}


def test_groups_that_were_left_since_are_named_but_not_those_of_an_account_that_returns():
    member = [{"user_id": name, "group_name": "team"} for name in ("alice", "bob")]
    saved = tables(a_user("alice"), a_user("bob"), memberships=member)
    found, effects = merged(tables(a_user("alice")), saved)
    assert effects == {Effect.RETURNS_DISABLED: ("bob",), Effect.GROUPS_RETURN: ("alice",)}
    assert found["memberships"] == member


def a_code(number, user="alice", used_at=None):
    return {"id": number, "user_id": user, "used_at": used_at}


def test_a_recovery_code_used_or_replaced_since_stays_used_up():
    """N06: of an account that returns, codes are as they were: it is disabled."""
    saved = [a_code(1), a_code(2), a_code(3), a_code(4, used_at=7), a_code(5, "bob")]
    found, effects = merged(
        tables(a_user("alice"), recovery_codes=[a_code(1, used_at=9), a_code(3), a_code(4, used_at=7)]),
        tables(a_user("alice"), a_user("bob"), recovery_codes=saved),
    )
    assert effects == {Effect.RETURNS_DISABLED: ("bob",), Effect.CODES_STAY_USED: ("alice",)}
    assert [code["used_at"] for code in found["recovery_codes"]] == [9, NOW, None, 7, None]


def an_invite(number, uses=0, revoked_at=None):
    return {"id": number, "uses": uses, "revoked_at": revoked_at}


def test_an_invitation_used_taken_back_or_deleted_since_stays_closed():
    """N06."""
    saved = [
        an_invite("used"),
        an_invite("revoked"),
        an_invite("deleted"),
        an_invite("open", 1),
        an_invite("old", 0, 3),
    ]
    present = [an_invite("used", 1), an_invite("revoked", 0, 9), an_invite("open", 1), an_invite("old", 0, 3)]
    found, effects = merged(tables(invites=present), tables(invites=saved))
    assert effects == {Effect.INVITES_STAY_CLOSED: ("deleted", "revoked", "used")}
    assert found["invites"] == [
        an_invite("used", 1),
        an_invite("revoked", 0, 9),
        an_invite("deleted", 0, NOW),
        an_invite("open", 1),
        an_invite("old", 0, 3),
    ]


def test_a_provider_disabled_or_deleted_since_stays_disabled():
    """N06."""
    saved = [{"id": name, "enabled": name != "never"} for name in ("disabled", "deleted", "kept", "never")]
    present = [{"id": name, "enabled": name == "kept"} for name in ("disabled", "kept", "never")]
    found, effects = merged(tables(providers=present), tables(providers=saved))
    assert effects == {Effect.PROVIDERS_STAY_DISABLED: ("deleted", "disabled")}
    assert [row["id"] for row in found["providers"] if row["enabled"]] == ["kept"]
