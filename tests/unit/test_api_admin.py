"""The door for machines that administer: what the console does, and no weaker than it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.admin import CLI
from doorward.rules.session import Method
from tests.fakes.administering import Desk
from tests.fakes.door import Browser
from tests.fakes.flows import GOOD
from tests.fakes.second import give_totp

ACTS = {
    "add_user": ("POST", "/api/v1/users", {"name": "carol", "password": GOOD}),
    "change_user": ("PATCH", "/api/v1/users/{alice}", {"display_name": "Alice A."}),
    "delete_user": ("DELETE", "/api/v1/users/{alice}", None),
    "disconnect_user": ("DELETE", "/api/v1/users/{alice}/connections/x", None),
    "force_password_change": ("POST", "/api/v1/users/{alice}/force-password-change", None),
    "reset_factors": ("POST", "/api/v1/users/{alice}/reset-factors", None),
    "end_user_sessions": ("POST", "/api/v1/users/{alice}/end-sessions", None),
    "approve_user": ("POST", "/api/v1/users/{alice}/approve", None),
    "refuse_user": ("POST", "/api/v1/users/{alice}/refuse", None),
    "make_recovery_link": ("POST", "/api/v1/users/{alice}/recovery-link", None),
    "end_any_session": ("DELETE", "/api/v1/sessions/x", None),
    "preview_import": ("POST", "/api/v1/users/import/preview", {"content": "users: {}"}),
    "apply_import": ("POST", "/api/v1/users/import/apply", {"content": "users: {}", "token": "x"}),
    "make_invite": ("POST", "/api/v1/invites", {}),
    "revoke_invite": ("POST", "/api/v1/invites/x/revoke", None),
    "remove_invite": ("DELETE", "/api/v1/invites/x", None),
    "set_mfa_policy": ("PUT", "/api/v1/policy/mfa", {"required": "none"}),
    "set_registration_policy": ("PUT", "/api/v1/policy/registration", {"mode": "open"}),
    "set_password_policy": ("PUT", "/api/v1/policy/passwords", {"wanted": True}),
    "send_test_letter": ("POST", "/api/v1/letters/test", {"to": "a@example.test"}),
    "retry_letter": ("POST", "/api/v1/letters/x/retry", None),
    "test_alerts": ("POST", "/api/v1/alerts/test", {}),
    "switch_provider": ("PATCH", "/api/v1/providers/x", {"enabled": True}),
    "remove_provider": ("DELETE", "/api/v1/providers/x", None),
    "test_provider": ("POST", "/api/v1/providers/x/test", None),
}
LOOKS = {
    "list_users": "/api/v1/users",
    "get_user": "/api/v1/users/{alice}",
    "list_user_sign_ins": "/api/v1/users/{alice}/sign-ins",
    "list_user_sessions": "/api/v1/users/{alice}/sessions",
    "list_all_sessions": "/api/v1/sessions",
    "list_invites": "/api/v1/invites",
    "get_policy": "/api/v1/policy",
    "list_letters": "/api/v1/letters",
    "list_alerts": "/api/v1/alerts",
    "list_providers": "/api/v1/providers",
}
ADMINISTRATION = {"users", "invites", "policy", "mail", "alerts", "providers"}


@pytest.fixture
async def desk():
    return await Desk.open()


# Who may


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_nothing_is_done_for_who_may_not(desk, act):
    """L10, K02: nobody, somebody, an administrator without token, and one who signed in long ago."""
    assert (await desk.act(Browser(desk.door), *act))[0] == 401
    status, told = await desk.act(await desk.enter("alice"), *act)
    assert (status, told["code"]) == (403, "FORBIDDEN")
    root = await desk.enter()
    status, told = await desk.act(root, *act, guarded=False)
    assert (status, told["code"]) == (403, "CSRF_FAILED")
    status, told = await desk.act(root, *act, sec_fetch_site="same-site")
    assert (status, told["code"]) == (403, "CSRF_FAILED")
    before = len(desk.town.audit)
    desk.wait(minutes=16)
    status, told = await desk.act(root, *act)
    if act[1].startswith("/api/v1/sessions"):  # to end one is never held up
        assert status == 404
    else:
        assert (status, told["code"], told["login"]) == (403, "PROOF_TOO_OLD", "/login?confirm=1")
    assert len(desk.town.audit) == before


@pytest.mark.parametrize("target", LOOKS.values(), ids=LOOKS)
async def test_only_administrators_look(desk, target):
    """L10."""
    assert (await desk.look(Browser(desk.door), target))[0] == 401
    status, told = await desk.look(await desk.enter("alice"), target)
    assert (status, told["code"]) == (403, "FORBIDDEN")
    desk.wait(minutes=16)
    assert (await desk.look(await desk.enter(), target))[0] == 200


def test_every_operation_of_administrators_is_tried_by_strangers(desk):
    paths = desk.api.openapi()["paths"]
    found = {
        each["operationId"]
        for path, operations in paths.items()
        for each in operations.values()
        if set(each["tags"]) & ADMINISTRATION or path.startswith("/api/v1/sessions")
    }
    assert found == ACTS.keys() | LOOKS.keys()


async def test_acts_are_counted_with_those_of_the_console(desk):
    """D-24, D-27: by address, whichever door, and what cannot be undone more narrowly."""
    root = await desk.enter()
    for _ in range(3):
        assert (await desk.act(root, "DELETE", "/api/v1/users/nobody"))[0] == 404
    status, told = await desk.act(root, "DELETE", "/api/v1/users/{alice}")
    assert (status, told["code"], told["retry_after"] > 0) == (429, "RATE_LIMITED", True)
    for _ in range(26):
        assert (await desk.act(root, "DELETE", "/api/v1/invites/x"))[0] == 404
    for act in (("DELETE", "/api/v1/invites/x"), ("DELETE", "/api/sessions/session/x"), *list(ACTS.values())[3:5]):
        status, told = await desk.act(root, *act)
        assert (status, told["code"]) == (429, "RATE_LIMITED")
    assert (await root.press("/admin/invites", await root.get("/admin/invites"))).status == 429
    assert (await desk.look(root, "/api/v1/users"))[0] == 200


# Invitations


async def test_an_invitation_is_made_taken_back_and_forgotten(desk):
    """B-13."""
    root = await desk.enter()
    wish = {"max_uses": 3, "days": None, "groups": ["guests"], "note": "For the party"}
    status, made = await desk.act(root, "POST", "/api/v1/invites", wish)
    assert status == 201
    assert made["url"].startswith("https://auth.example.test/register?invite=")
    assert not made["mailed"]
    _, told = await desk.look(root, "/api/v1/invites")
    assert told == {"invites": [made["invite"]], "counted": True}
    assert made["url"].partition("=")[2] not in json.dumps(told)
    invite = f"/api/v1/invites/{made['invite']['id']}"
    for _ in range(2):
        status, told = await desk.act(root, "POST", f"{invite}/revoke")
        assert (status, told["state"]) == (200, "revoked")
    assert (await desk.act(root, "DELETE", invite))[0] == 204
    assert (await desk.act(root, "DELETE", invite))[0] == 404
    assert (await desk.act(root, "POST", f"{invite}/revoke"))[0] == 404


async def test_an_invitation_of_somebody_who_administers_no_more_is_told_as_what_it_is(desk):
    """E27: a program reads what the guest would find."""
    root = await desk.enter()
    await desk.town.add_user("boss", is_admin=True)
    await desk.act(await desk.enter("boss"), "POST", "/api/v1/invites", {})
    assert [each["state"] for each in (await desk.look(root, "/api/v1/invites"))[1]["invites"]] == ["active"]
    await desk.town.administration.set_admin(CLI, "boss", is_admin=False, now=desk.town.now)
    assert [each["state"] for each in (await desk.look(root, "/api/v1/invites"))[1]["invites"]] == ["revoked"]


async def test_an_invitation_has_an_end_and_one_use_unless_asked_otherwise(desk):
    root = await desk.enter()
    _, made = await desk.act(root, "POST", "/api/v1/invites", {})
    assert (made["invite"]["max_uses"], made["invite"]["state"]) == (1, "active")
    assert made["invite"]["expires_at"].startswith((desk.town.now + timedelta(days=7)).strftime("%Y-%m-%d"))
    for wish in ({"max_uses": 0}, {"days": 366}, {"max_uses": 10**19}, {"max_uses": True}, {"days": 1.0}):
        assert (await desk.act(root, "POST", "/api/v1/invites", wish))[0] == 400
    status, told = await desk.act(root, "POST", "/api/v1/invites", {"groups": ["a,b"], "email": "nowhere"})
    assert status == 422
    assert {each["field"] for each in told["problems"]} == {"groups", "email"}


# Policy


async def test_policy_is_shown_and_changed_and_left_to_the_file(desk):
    """B-12, B-13."""
    root = await desk.enter()
    status, told = await desk.look(root, "/api/v1/policy")
    assert (status, told["mfa"]) == (200, {"required": "none", "set_by": "file"})
    assert [each["name"] for each in told["unprotected"]] == ["root"]
    status, told = await desk.act(root, "PUT", "/api/v1/policy/registration", {"mode": "open"})
    assert (status, told["registration"]) == (200, {"mode": "open", "set_by": "setting"})
    status, told = await desk.act(root, "PUT", "/api/v1/policy/registration", {"mode": None})
    assert told["registration"]["set_by"] == "file"
    status, told = await desk.act(root, "PUT", "/api/v1/policy/passwords", {"wanted": False})
    assert (status, told["passwords"]["wanted"], told["passwords"]["open"]) == (200, False, True)
    assert told["passwords"]["because"]
    for body in ({"mode": "ajar"}, {}, {"mode": 1}):
        assert (await desk.act(root, "PUT", "/api/v1/policy/registration", body))[0] == 400


async def test_who_needs_a_second_factor_is_said_by_who_has_one(desk):
    """B-12."""
    root = await desk.enter()
    status, told = await desk.act(root, "PUT", "/api/v1/policy/mfa", {"required": "all"})
    assert (status, told["code"]) == (403, "OWN_FACTOR_NEEDED")
    await give_totp(desk.town, "root")
    status, told = await desk.act(root, "PUT", "/api/v1/policy/mfa", {"required": "all"})
    assert (status, told["code"]) == (403, "OWN_FACTOR_NEEDED")
    sessions = desk.town.store.state.sessions
    for fingerprint, session in list(sessions.items()):
        sessions[fingerprint] = replace(session, methods=session.methods | {Method.TOTP})
    status, told = await desk.act(root, "PUT", "/api/v1/policy/mfa", {"required": "all"})
    assert (status, told["mfa"]) == (200, {"required": "all", "set_by": "setting"})


# Mail


async def test_mail_is_listed_without_what_it_says(desk):
    root = await desk.enter()
    status, told = await desk.look(root, "/api/v1/letters")
    assert (status, told) == (200, {"letters": [], "open": desk.town.post.is_open})
    if not desk.town.post.is_open:
        status, told = await desk.act(root, "POST", "/api/v1/letters/test", {"to": "a@example.test"})
        assert (status, told["code"]) == (409, "NO_MAIL")
    assert (await desk.look(root, "/api/v1/letters?state=lost"))[0] == 400
    assert (await desk.act(root, "POST", "/api/v1/letters/nothing/retry"))[0] == 404


# Providers


async def test_providers_are_listed_and_the_files_are_not_changed(desk):
    desk.door.add_provider()
    root = await desk.enter()
    status, told = await desk.look(root, "/api/v1/providers")
    assert (status, [each["id"] for each in told["providers"]]) == (200, ["idp"])
    status, told = await desk.act(root, "POST", "/api/v1/providers/idp/test")
    assert status == 200
    assert {each["health"] for each in told["findings"]} <= {"good", "unsure", "bad"}
    assert (await desk.act(root, "POST", "/api/v1/providers/none/test"))[0] == 404
