"""What a restore takes from the backup, and what it leaves as it is now (N06)."""

import json

import pytest

from doorward.rules.restore_effect import Effect
from doorward.rules.restoring import COMPARED, has_administrator, make_token, merge, retire_keys

NOW = 1_000


def a_user(name, **given):
    fields = {"enabled": True, "is_admin": False, "must_change_password": False, "generation": 1, "email": ""}
    fields["is_service"] = False
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


REACH = {
    "apps": ["photos"],
    "hosts": ["a.example.test"],
    "paths": [],
    "methods": [],
    "networks": [],
    "scopes": ["read"],
}


def reach_of(**given):
    return json.dumps({**REACH, "read_only": False, "in_url": True, **given}, sort_keys=True, separators=(",", ":"))


def a_key(number="key", **given):
    fields = {"user_id": "alice", "name": f"{number}'s", "kind": "key", "digest": "sha256:1", "reach": reach_of()}
    times = {"generation": None, "expires_at": None, "disabled_at": None, "uses": 1, "sealed": "then"}
    return {"id": number, **fields, **times, **given}


def merged_keys(present, saved):
    alice = a_user("alice")
    found, effects = merged(tables(alice, app_keys=present), tables(alice, app_keys=saved))
    return found["app_keys"], effects


def test_a_key_that_is_as_it_was_stays_with_its_uses_as_they_are_here():
    key = a_key(uses=9, sealed="now")
    assert merged_keys([key], [a_key()]) == ([key], {})


def test_a_key_that_was_revoked_or_made_anew_since_stays_revoked():
    """N06."""
    assert merged_keys([], [a_key()]) == ([], {Effect.KEYS_STAY_REVOKED: ("key's (alice)",)})
    for column in ("digest", "kind"):
        assert merged_keys([a_key(**{column: "other"})], [a_key()])[0] == []


def test_a_key_that_was_made_since_is_revoked():
    assert merged_keys([a_key()], []) == ([], {Effect.KEYS_GO: ("key's (alice)",)})


def test_the_keys_of_an_account_that_comes_or_goes():
    alice, key = a_user("alice"), a_key()
    found, effects = merged(tables(), tables(alice, app_keys=[key]))
    assert found["app_keys"] == []
    assert effects == {Effect.RETURNS_DISABLED: ("alice",), Effect.KEYS_STAY_REVOKED: ("key's (alice)",)}
    assert merged(tables(alice, app_keys=[key]), tables())[1] == {Effect.GOES: ("alice",)}


@pytest.mark.parametrize(
    ("now", "then", "narrow"),
    [
        ({"expires_at": 5}, {}, {"expires_at": 5}),
        ({"expires_at": 9}, {"expires_at": 5}, {"expires_at": 5}),
        ({}, {"expires_at": 5}, {"expires_at": 5}),
        ({"disabled_at": 5}, {}, {"disabled_at": 5}),
        ({"generation": 5}, {}, {"generation": 5}),
        ({}, {"generation": 5}, {"generation": 5}),
        ({"reach": reach_of(apps=[])}, {}, {"reach": reach_of(apps=[])}),
        ({}, {"reach": reach_of(hosts=[])}, {"reach": reach_of(hosts=[])}),
        ({"reach": reach_of(scopes=[])}, {}, {"reach": reach_of(scopes=[])}),
        ({"reach": reach_of(paths=["/a"])}, {}, {"reach": reach_of(paths=["/a"])}),
        ({}, {"reach": reach_of(methods=["GET"])}, {"reach": reach_of(methods=["GET"])}),
        ({"reach": reach_of(paths=["/a", "/b"])}, {"reach": reach_of(paths=["/b"])}, {"reach": reach_of(paths=["/b"])}),
        ({"reach": reach_of(read_only=True)}, {}, {"reach": reach_of(read_only=True)}),
        ({}, {"reach": reach_of(in_url=False)}, {"reach": reach_of(in_url=False)}),
    ],
)
def test_a_key_that_was_changed_since_opens_what_both_open(now, then, narrow):
    """N06."""
    (found,), _ = merged_keys([a_key(**now)], [a_key(**then)])
    assert found == a_key(**narrow)


def test_only_a_key_that_is_not_as_it_was_then_is_named():
    narrow = reach_of(scopes=[])
    assert merged_keys([a_key(reach=narrow)], [a_key()])[1] == {Effect.KEYS_STAY_NARROW: ("key's (alice)",)}
    assert merged_keys([a_key()], [a_key(reach=narrow)])[1] == {}


@pytest.mark.parametrize(
    "other", [reach_of(paths=["/b"]), "[]", "{", "{}", '{"apps":[],"hosts":[],"scopes":[[]]}', "1"]
)
def test_rows_that_have_nothing_in_common_or_cannot_be_read_are_no_key(other):
    """Two narrow keys have nothing in common: an empty list would open everything."""
    key = a_key(reach=reach_of(paths=["/a"]))
    for now, then in (({"reach": other}, {}), ({}, {"reach": other})):
        found, effects = merged_keys([{**key, **now}], [{**key, **then}])
        assert (found, list(effects)) == ([], [Effect.KEYS_STAY_REVOKED])


def test_secrets_that_are_shown_to_apps_stay():
    secret = {"name": "radio", "sealed": "gcm2:1", "changed_at": 3}
    found, effects = merged(tables(app_secrets=[secret]), tables())
    assert effects == {Effect.SECRETS_STAY: ()}
    assert "app_secrets" not in found


def test_what_is_a_service_stays_one():
    for now, then in ((True, False), (False, True)):
        found, _ = merged(tables(a_user("alice", is_service=now)), tables(a_user("alice", is_service=then)))
        assert found["users"][0]["is_service"] is True


def test_the_use_of_a_key_makes_no_other_preview():
    before = tables(app_keys=[a_key()])
    word = make_token("digest", before, ())
    assert make_token("digest", tables(app_keys=[a_key(uses=2, sealed="later", last_used_at=8)]), ()) == word
    assert make_token("digest", tables(app_keys=[a_key(disabled_at=1)]), ()) != word
    assert make_token("digest", tables(passwords=[{"sealed": "later"}]), ()) != word


def test_a_service_is_nobody_who_could_administer():
    """R05."""
    assert has_administrator([a_user("alice", is_admin=True)], [])
    assert not has_administrator([a_user("feed", is_admin=True, is_service=True)], [])


def test_what_signs_for_another_installation_signs_nothing_here():
    """D-39, B-05: not its cookies, and not its assertions."""

    def a_key(number, purpose, *, retired_at=None):
        return {"id": number, "purpose": purpose, "sealed": f"gcm:{number}", "retired_at": retired_at}

    keys = [a_key(1, "session"), a_key(2, "derive"), a_key(3, "audit"), a_key(4, "assertion", retired_at=7)]
    keys.append(a_key(5, "assertion"))
    left = {key["id"]: (key["sealed"], key["retired_at"]) for key in retire_keys(keys, NOW)}
    assert left == {1: ("", NOW), 2: ("gcm:2", None), 3: ("gcm:3", None), 4: ("", 7), 5: ("", NOW)}
