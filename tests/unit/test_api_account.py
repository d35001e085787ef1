"""One's own account by the API: what the pages do, with no less proof (2.4, A-22, A-25, B-11, B-27, D-08, D-13)."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from doorward.rules.login import Failure
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.web.api.aliases import ALIASES
from doorward.web.api.problems import Code
from doorward.web.pages.entering import STATUS_OF
from tests.fakes.api import Program, code_told, open_api, told
from tests.fakes.door import PASSWORD, Browser, Door, call_app
from tests.fakes.second import change_user, give_totp

ACCOUNT = "/api/v1/account"
SESSIONS = f"{ACCOUNT}/sessions"
FACTORS = f"{ACCOUNT}/factors"
OTHER = "Another-horse-42!"
LONG_AGO = timedelta(minutes=16)

ACTS = {
    "name": ("PATCH", ACCOUNT, {"display_name": "Al"}),
    "password": ("POST", f"{ACCOUNT}/password", {"current": PASSWORD, "password": OTHER}),
    "e-mail": ("POST", f"{ACCOUNT}/email", {"email": "new@example.test"}),
    "export": ("GET", f"{ACCOUNT}/export", None),
    "delete": ("DELETE", ACCOUNT, {"confirm": "alice"}),
    "end": ("DELETE", f"{SESSIONS}/current", None),
    "end others": ("POST", f"{SESSIONS}/end-others", None),
    "disown": ("POST", f"{SESSIONS}/current/disown", None),
    "begin totp": ("POST", f"{FACTORS}/totp", None),
    "confirm totp": ("POST", f"{FACTORS}/totp/confirm", {"offer": "x", "code": "123456"}),
    "remove totp": ("POST", f"{FACTORS}/totp/remove", {"code": "123456"}),
    "begin passkey": ("POST", f"{FACTORS}/passkeys/options", None),
    "confirm passkey": ("POST", f"{FACTORS}/passkeys", {"offer": "x", "credential": {}}),
    "rename passkey": ("PATCH", f"{FACTORS}/passkeys/x", {"name": "x"}),
    "remove passkey": ("DELETE", f"{FACTORS}/passkeys/x", None),
    "begin codes": ("POST", f"{FACTORS}/recovery-codes", None),
    "acknowledge codes": ("POST", f"{FACTORS}/recovery-codes/acknowledge", {"offer": "x"}),
    "disable passkey": ("POST", "/api/auth/webauthn/disable", {"passkey": "x"}),
}
FREE = {"name", "password", "end", "end others", "disown"}
"""What a page asks no recent proof for, either."""
LOOKS = (
    ACCOUNT,
    f"{ACCOUNT}/sign-ins",
    SESSIONS,
    f"{SESSIONS}/current",
    FACTORS,
    f"{FACTORS}/passkeys",
    "/api/auth/otp/status",
    "/api/auth/totp/status",
    "/api/auth/webauthn/status",
    "/api/auth/webauthn/credentials",
)


class Mailer:
    """A way to a mail server that keeps what it was given."""

    def __init__(self):
        self.sent = []

    async def send(self, **mail):
        self.sent.append(mail)


@pytest.fixture
async def door():
    made = open_api(Door())
    for name in ("root", "alice", "bob"):
        await made.add_user(name, admin=name == "root")
    return made


@pytest.fixture
async def alice(door):
    return await Program.enter(door, "alice")


def every_act(*, left_out=frozenset()):
    """Each act under each of its names."""
    for method, path, body in (act for name, act in ACTS.items() if name not in left_out):
        yield method, path, body
        pattern = path.replace("/passkeys/x", "/passkeys/{passkey_id}")
        for alias in ALIASES.get((method, pattern), ()):
            yield method, alias.replace("{passkey_id}", "x"), body


async def test_looking_asks_who_is_there(door, alice):
    stranger = Program(Browser(door))
    for path in LOOKS:
        assert code_told(await stranger.send("GET", path), 401) == "NOT_SIGNED_IN"
        assert (await alice.send("GET", path)).status == 200, path


async def test_nobody_signed_in_does_nothing(door):
    """Whoever they are comes before what they say."""
    stranger = Program(Browser(door))
    for method, path, body in every_act():
        assert code_told(await stranger.call(method, path, body), 401) == "NOT_SIGNED_IN", path
        assert code_told(await stranger.send(method, path, b"{"), 401) == "NOT_SIGNED_IN", path


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({}, 403, "CSRF_FAILED"),
        ({"x_api_key": "x"}, 401, "WRONG_KEY"),
        ({"authorization": "Bearer x"}, 401, "WRONG_KEY"),
    ],
    ids=["bare", "junk", "junk bearer"],
)
async def test_without_the_token_nothing_is_done(door, alice, more, status, code):
    """A-22, A-25, K03, K06, T-03: whatever else is sent along."""
    before = door.town.acts()
    for method, path, body in every_act():
        assert code_told(await alice.send(method, path, body, **more), status) == code, path
        elsewhere = {"x_csrf_token": await alice.token(), "origin": "https://evil.test"}
        assert code_told(await alice.send(method, path, body, **elsewhere, **more), status) == code, path
    assert door.town.acts() == before


async def test_what_asks_for_a_proof_at_a_page_asks_for_it_here(door, alice):
    """The sign-in of a quarter of an hour ago is none."""
    door.clock.advance(LONG_AGO)
    before = door.town.acts()
    for method, path, body in every_act(left_out=FREE):
        answer = await alice.call(method, path, body)
        assert code_told(answer, 403) == "PROOF_TOO_OLD", path
        assert json.loads(answer.body)["login"] == "/login?confirm=1"
    assert door.town.acts() == before


@pytest.mark.parametrize("name", sorted(FREE))
async def test_what_asks_for_none_at_a_page_asks_for_none_here(door, alice, name):
    door.clock.advance(LONG_AGO)
    assert (await alice.call(*ACTS[name])).status in {200, 204}


async def test_the_account_says_who_i_am(door, alice):
    account = told(await alice.send("GET", ACCOUNT))
    assert account["name"] == "alice"
    assert (account["is_admin"], account["has_password"], account["must_change_password"]) == (False, True, False)
    assert account["factors"] == {"totp": False, "passkeys": 0, "recovery_codes_left": 0}
    assert (account["second_factor_required"], account["enrol_by"]) == (False, None)
    assert account["proven_until"].endswith("Z")
    assert told(await (await Program.enter(door, "root")).send("GET", ACCOUNT))["is_admin"] is True


async def test_what_policy_asks_for_is_told(door, alice):
    """B-12: until when, and no more once there is one."""
    door.town.mfa = MfaTerms(MfaRequired.ALL)
    by = door.clock.now() + timedelta(days=3)
    await change_user(door.town, enrol_by=by)
    account = told(await alice.send("GET", ACCOUNT))
    assert account["second_factor_required"] is True
    assert account["enrol_by"] == by.isoformat().replace("+00:00", "Z")
    await give_totp(door.town)
    account = told(await alice.send("GET", ACCOUNT))
    assert (account["second_factor_required"], account["enrol_by"]) == (True, None)


async def test_name_and_language_are_changed_one_by_one(door, alice):
    changed = told(await alice.call("PATCH", ACCOUNT, {"display_name": "Alice B."}))
    assert (changed["display_name"], changed["language"]) == ("Alice B.", "")
    changed = told(await alice.call("PATCH", ACCOUNT, {"language": "de"}))
    assert (changed["display_name"], changed["language"]) == ("Alice B.", "de")
    assert told(await alice.send("GET", ACCOUNT)) == changed
    assert told(await alice.call("PATCH", ACCOUNT, {"display_name": None, "language": ""}))["language"] == ""
    wrong = await alice.call("PATCH", ACCOUNT, {"display_name": "a\u202eb", "language": "tlh"})
    assert code_told(wrong, 422) == "UNACCEPTABLE"
    assert [problem["field"] for problem in json.loads(wrong.body)["problems"]] == ["display_name", "language"]


@pytest.mark.parametrize("path", [f"{ACCOUNT}/password", "/api/auth/change-password"])
async def test_a_new_password_ends_every_session_and_renews_this_one(door, alice, path):
    """T-02, D-05: what the page does."""
    other = await Program.enter(door, "alice")
    before = alice.browser.jar["doorward"]
    renewed = told(await alice.call("POST", path, {"current": PASSWORD, "password": OTHER}))
    assert alice.browser.jar["doorward"] != before
    assert (await other.send("GET", ACCOUNT)).status == 401
    assert told(await alice.send("GET", f"{SESSIONS}/current"))["handle"] == renewed["session"]
    token = renewed["csrf_token"]
    assert (await alice.send("PATCH", ACCOUNT, {"language": "de"}, x_csrf_token=token)).status == 200
    assert (await Browser(door).sign_in("alice", password=OTHER)).status == 303


async def test_a_password_is_changed_only_by_whoever_knows_it(door, alice):
    """B-27, E06: wrong tries are counted, and end in a lock."""
    path = f"{ACCOUNT}/password"
    weak = await alice.call("POST", path, {"current": PASSWORD, "password": "short"})
    assert code_told(weak, 422) == "UNACCEPTABLE"
    assert {problem["field"] for problem in json.loads(weak.body)["problems"]} == {"password"}
    wrong = await alice.call("POST", path, {"current": "x", "password": OTHER})
    assert code_told(wrong, 403) == "WRONG_PASSWORD"
    codes = []
    for _ in range(8):
        answer = await alice.call("POST", path, {"current": "x", "password": OTHER})
        codes.append((answer.status, json.loads(answer.body)["code"]))
    assert codes[-1] in {(429, "RATE_LIMITED"), (429, "LOCKED")}
    assert int(answer.header("retry-after")) == json.loads(answer.body)["retry_after"] > 0
    assert (await Browser(door).sign_in("alice")).status in {303, 429}


async def test_an_address_is_asked_for_by_mail(door, alice):
    path = f"{ACCOUNT}/email"
    assert code_told(await alice.call("POST", path, {"email": "new@example.test"}), 403) == "NO_MAIL"
    door.town.post._mailer = mailer = Mailer()
    assert code_told(await alice.call("POST", path, {"email": "no"}), 422) == "UNACCEPTABLE"
    assert told(await alice.call("POST", path, {"email": "new@example.test"}), 202) == {"email": "new@example.test"}
    # Whose address it is already is nobody's to learn (E03).
    assert told(await alice.call("POST", path, {"email": "bob@example.test"}), 202) == {"email": "bob@example.test"}
    await door.town.post.deliver_due(door.clock.now())
    assert [mail["to"] for mail in mailer.sent] == ["new@example.test"]
    assert told(await alice.send("GET", ACCOUNT))["email"] == "alice@example.test"
    for _ in range(3):
        answer = await alice.call("POST", path, {"email": "new@example.test"})
    assert code_told(answer, 429) == "RATE_LIMITED"


async def test_the_last_sign_ins_are_shown_with_failed_ones(door, alice):
    await Browser(door).sign_in("alice", password="wrong")
    shown = told(await alice.send("GET", f"{ACCOUNT}/sign-ins"))["sign_ins"]
    assert [(line["failure"], line["current"]) for line in shown] == [("wrong", False), (None, True)]
    assert shown[0]["session"] is None
    assert shown[1]["session"] == told(await alice.send("GET", f"{SESSIONS}/current"))["handle"]


async def test_a_copy_of_everything_opens_nothing(door, alice):
    """L11."""
    answer = await alice.call("GET", f"{ACCOUNT}/export")
    assert told(answer)["account"]["name"] == "alice"
    assert alice.browser.jar["doorward"].partition(".")[0] not in answer.text
    assert door.town.acts()[-1] == "user.export"
    for _ in range(30):
        answer = await alice.call("GET", f"{ACCOUNT}/export")
    assert code_told(answer, 429) == "RATE_LIMITED"


async def test_an_account_leaves_when_its_name_is_given(door, alice):
    wrong = await alice.call("DELETE", ACCOUNT, {"confirm": "bob"})
    assert code_told(wrong, 422) == "UNACCEPTABLE"
    assert (await alice.call("DELETE", ACCOUNT, {"confirm": "alice"})).status == 204
    assert "doorward" not in alice.browser.jar
    assert (await alice.send("GET", ACCOUNT)).status == 401
    root = await Program.enter(door, "root")
    assert code_told(await root.call("DELETE", ACCOUNT, {"confirm": "root"}), 409) == "LAST_ADMINISTRATOR"
    for _ in range(3):
        answer = await root.call("DELETE", ACCOUNT, {"confirm": "root"})
    assert code_told(answer, 429) == "RATE_LIMITED"


async def test_sessions_are_listed_and_ended_by_handle(door, alice):
    """C-36, C-40, T-10."""
    other = await Program.enter(door, "alice")
    answer = await alice.send("GET", SESSIONS)
    sessions = told(answer)["sessions"]
    assert sorted(session["current"] for session in sessions) == [False, True]
    assert other.browser.jar["doorward"].partition(".")[0] not in answer.text
    handle = next(session["handle"] for session in sessions if not session["current"])
    assert told(await alice.send("GET", f"{SESSIONS}/{handle}"))["handle"] == handle
    assert (await alice.call("DELETE", f"{SESSIONS}/{handle}")).status == 204
    assert (await other.send("GET", ACCOUNT)).status == 401
    assert code_told(await alice.call("DELETE", f"{SESSIONS}/{handle}"), 404) == "NOT_FOUND"
    assert (await alice.call("DELETE", f"{SESSIONS}/current")).status == 204
    assert "doorward" not in alice.browser.jar


async def test_all_other_sessions_end_at_once(door, alice):
    """J03."""
    others = [await Program.enter(door, "alice") for _ in range(2)]
    assert told(await alice.call("POST", f"{SESSIONS}/end-others")) == {"ended": 2}
    assert [(await each.send("GET", ACCOUNT)).status for each in (*others, alice)] == [401, 401, 200]


@pytest.mark.parametrize("which", ["another", "current"])
async def test_whoever_disowns_a_sign_in_starts_anew(door, alice, which):
    """Every session ends, this one too, and the next sign-in asks for a new password."""
    other = await Program.enter(door, "alice")
    sessions = told(await alice.send("GET", SESSIONS))["sessions"]
    handle = next(session["handle"] for session in sessions if not session["current"])
    named = handle if which == "another" else "current"
    assert (await alice.call("POST", f"{SESSIONS}/{named}/disown")).status == 204
    assert "doorward" not in alice.browser.jar
    assert (await other.send("GET", ACCOUNT)).status == 401
    assert "/login/new-password" in (await Browser(door).sign_in("alice")).location


async def test_what_is_somebody_elses_looks_like_nothing(door, alice):
    """L08: also for administrators, whose own account this is."""
    bob = await Program.enter(door, "bob")
    handle = told(await bob.send("GET", f"{SESSIONS}/current"))["handle"]
    for program in (alice, await Program.enter(door, "root")):
        for method, path in (
            ("GET", f"{SESSIONS}/{handle}"),
            ("DELETE", f"{SESSIONS}/{handle}"),
            ("POST", f"{SESSIONS}/{handle}/disown"),
        ):
            assert code_told(await program.call(method, path), 404) == "NOT_FOUND", path
    assert (await bob.send("GET", ACCOUNT)).status == 200


BAD = {
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "nothing": b"",
    "another field": b'{"offer": "x", "code": "1", "more": 1}',
    "a number": b'{"offer": "x", "code": 123456}',
    "nothing in it": b'{"offer": "x", "code": null}',
    "a field too few": b'{"offer": "x"}',
    "one twice": b'{"offer": "x", "code": "1", "code": "2"}',
    "half a character": b'{"offer": "x", "code": "\\ud800"}',
    "too long": b'{"offer": "x", "code": "' + b"1" * 300 + b'"}',
    "no UTF-8": b'{"offer": "\xff", "code": "1"}',
    "too deep": b"[" * 100 + b"]" * 100,
}


async def test_a_body_that_is_not_what_is_asked_for_is_400(alice):
    """I10, P14."""
    for name, body in BAD.items():
        answer = await alice.call("POST", f"{FACTORS}/totp/confirm", body)
        assert (name, code_told(answer, 400)) == (name, "MALFORMED")
    wrong = await alice.call("POST", f"{FACTORS}/totp/confirm", {"offer": "x", "kode": "s3cret"})
    assert [problem["field"] for problem in json.loads(wrong.body)["problems"]] == ["code", "kode"]
    assert "s3cret" not in wrong.text


async def test_a_body_of_another_kind_or_too_large_is_refused(door, alice):
    body = b'{"offer": "x", "code": "1"}'
    path = f"{FACTORS}/totp/confirm"
    assert (await alice.call("POST", path, body, content_type="text/plain")).status == 400
    assert (await alice.call("POST", path, body, content_type="")).status == 400
    huge = b'{"offer": "' + b"x" * 70_000 + b'", "code": "1"}'
    assert (await alice.call("POST", path, huge)).status == 413
    # Where nobody told the length beforehand, it is counted, before anybody is asked who they are.
    host = door.site.origin.partition("://")[2]
    headers = [(b"host", host.encode()), (b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]
    assert code_told(await call_app(door.server, "POST", path, headers, huge), 413) == "TOO_LARGE"


async def test_text_that_nothing_can_be_is_refused_and_never_breaks(door, alice):
    """E12, E17, P14: a NUL, a lone joiner, letters without end."""
    for text in ("\0", "\u200d", "\U0010ffff", "e\u0301" * 500, "x" * 1000):
        for name, (method, path, body) in ACTS.items():
            if body is None or name == "delete":
                continue
            sent = {key: text if isinstance(value, str) else value for key, value in body.items()}
            answer = await alice.call(method, path, sent)
            assert 400 <= answer.status < 500, (name, answer.text)


def test_every_reason_of_a_flow_has_a_code_and_a_status():
    assert set(STATUS_OF) == set(Failure)
    assert all(code.value == code.name for code in Code)


async def test_the_guide_names_every_route_alias_and_code(door):
    """What a program may go by is written down."""
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "api.md").read_text("utf-8")
    described = told(await Program(Browser(door)).send("GET", "/api/openapi.json"))["paths"]
    own = {path for path in described if path.startswith((ACCOUNT, "/api/auth"))}
    assert own - {path for path in own if path.removeprefix(ACCOUNT) in guide} == set()
    assert {code.value for code in Code if f"`{code.value}`" not in guide} == set()
    for names in ALIASES.values():
        assert set(names) <= set(described)
