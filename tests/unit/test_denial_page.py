"""A denial names the reason, the app, a reference and whom to ask, and works under the app's own address."""

import pytest

from doorward.rules.policy import App, parse_host_pattern
from doorward.rules.reason import Reason
from doorward.web.gate.refuse import Refusal
from doorward.web.headers import style_hash
from doorward.web.pages.denial import DenialPage
from tests.fakes.door import Door

PATTERN = parse_host_pattern("accounts.example.test")


def refusal(**changes) -> Refusal:
    assert PATTERN is not None
    app = App("Accounting", (PATTERN,), "Money", "data", "carol@example.test")
    values = {
        "status": 403,
        "reason": Reason.NO_RULE,
        "correlation_id": "4f1c09a2b7",
        "host": "accounts.example.test",
        "url": "https://accounts.example.test/q3?a=1&b=2",
        "app": app,
        "user_name": "Alice Liddell",
        "switch_url": "https://auth.example.test/logout",
        **changes,
    }
    return Refusal(**values)


@pytest.fixture
def page() -> DenialPage:
    door = Door()
    return DenialPage(door.site, door.templates, door.assets, door.headers, door.clock)


def test_it_says_what_why_who_and_whom_to_ask(page: DenialPage) -> None:
    text = page(refusal())[0].decode()
    for part in (
        "Accounting stays shut",
        Reason.NO_RULE.sentence,
        "accounts.example.test",
        "Alice Liddell",
        "carol@example.test",
        "no_rule",
        "4f1c09a2b7",
        "2030-01-01 12:00 UTC",
        'href="https://auth.example.test/logout?rd=https%3A%2F%2Faccounts.example.test%2Fq3%3Fa%3D1%26b%3D2"',
        'href="https://auth.example.test/"',
    ):
        assert part in text


def test_in_place_of_a_form_it_says_that_nothing_was_sent_and_how_to_go_on(page: DenialPage) -> None:
    login = "https://auth.example.test/login?rd=https%3A%2F%2Fauth.example.test%2Fconfirmed&need=passkey"
    body, headers = page(refusal(reason=Reason.PASSKEY_REQUIRED, login_url=login))
    text = body.decode()
    for part in (
        "Your form was not sent",
        Reason.PASSKEY_REQUIRED.sentence,
        "Accounting has received nothing yet",
        f'<a href="{login.replace("&", "&amp;")}" target="_blank" rel="noopener">',
        "reload it",
        "passkey_required",
        "4f1c09a2b7",
    ):
        assert part in text
    assert "<form" not in text
    assert "<script" not in text
    assert b"script-src 'none'" in dict(headers)[b"content-security-policy"]


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("status", [400, 403, 503])
def test_every_reason_has_a_page(page: DenialPage, reason: Reason, status: int) -> None:
    text = page(refusal(reason=reason, status=status, app=None, user_name="", switch_url=""))[0].decode()
    assert reason.sentence in text
    assert "the administrator of this site" in text
    assert "Sign in as someone else" not in text


def test_what_a_key_does_not_open_stays_shut_and_says_how_to_get_in_without_it(page: DenialPage) -> None:
    """Somebody who followed an address with a key in it never meant to sign in, and may be able to."""
    expired = page(refusal(reason=Reason.KEY_EXPIRED, status=401, user_name="", switch_url=""))[0].decode()
    assert "Accounting stays shut" in expired
    assert "You are not signed in" not in expired
    assert "Whoever made this key can make another" in expired
    narrow = page(refusal(reason=Reason.KEY_PATH))[0].decode()
    assert "Open the app itself, without the key in its address" in narrow
    assert "Sign in as someone else" not in narrow


def test_it_needs_nothing_from_the_apps_address(page: DenialPage) -> None:
    body, headers = page(refusal())
    text = body.decode()
    assert "<script" not in text
    assert "/static/" not in text
    assert 'src="' not in text
    style = text.partition("<style>")[2].partition("</style>")[0]
    policy = dict(headers)[b"content-security-policy"].decode()
    assert style_hash(style) in policy
    assert "script-src 'none'" in policy


def test_names_are_printed_and_not_run(page: DenialPage) -> None:
    """K11, K12."""
    assert PATTERN is not None
    evil = "<img src=x onerror=alert(1)>{{7*7}}"
    app = App(evil, (PATTERN,), icon="<b>", contact=evil)
    text = page(refusal(app=app, user_name=evil, correlation_id=evil, host=evil))[0].decode()
    assert "<img" not in text
    assert "<b>" not in text
    assert "{{7*7}}" in text
    assert "49" not in text.partition("</style>")[2]
