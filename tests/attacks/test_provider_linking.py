"""Connecting accounts, and the two that are not like the others: GitHub and Google (H26, C-25)."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.attacks.abroad import Scene, find_onward, is_refusal
from tests.attacks.stage import ALICE, BOB, Browser, handed_out
from tests.attacks.test_provider_accounts import account
from tests.attacks.test_provider_tokens import GARBAGE
from tests.fakes.loopback import Answer as Said


def link(scene: Scene, browser: Browser, provider: str = "other") -> str:
    """Set out to connect a provider; the address the browser goes to."""
    token = browser.open_form("/sessions").fields["csrf_token"]
    return find_onward(browser.post("/account/link", {"csrf_token": token, "provider": provider}))


def identities(scene: Scene) -> set[tuple]:
    """All connections there are."""
    return set(scene.stage.query("SELECT user_id, issuer, subject FROM identities"))


def test_signing_in_never_connects(scene: Scene) -> None:
    """H26: not even where somebody is signed in already; the attacker's sign-in makes the attacker's session."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser, "other"), scene.newcomer(provider="other"), provider="other")
    assert browser.sign_in(BOB).status == 303
    mine, cookie = scene.user_of(browser), browser.cookie()
    answer = scene.come_back(browser, back, "other")
    assert handed_out(answer)
    assert scene.user_of(browser) != mine
    scene.stage.live.pop(cookie.partition(b"=")[2])
    assert scene.stage.ask("traefik", cookie=cookie).status != 200
    assert scene.stage.query("SELECT count(*) FROM identities WHERE user_id = ?", mine) == [(0,)]


def test_connecting_takes_a_form_of_ours(scene: Scene) -> None:
    """H26, K05: no link, no form of others, no token of another browser."""
    browser, other = scene.stage.signed_in(ALICE), scene.stage.signed_in(BOB)
    theirs = other.open_form("/sessions").fields["csrf_token"]
    mine = browser.open_form("/sessions").fields["csrf_token"]
    query = urlencode({"csrf_token": mine, "provider": "other"})
    with scene.nothing_happens(provider="other"):
        assert browser.get(f"/account/link?{query}").status == 405
        for token in ("", theirs, mine[:-1], "A" * len(mine)):
            assert browser.post("/account/link", {"csrf_token": token, "provider": "other"}).status == 403
        for origin in (b"https://evil.example", b"null", b"https://app.example.test"):
            fields = {"csrf_token": mine, "provider": "other"}
            assert browser.post("/account/link", fields, origin=origin).status == 403
        assert browser.post(f"/account/link?{query}", {}).status == 403
        for provider in ("nobody", "", "../other", "OTHER"):
            answer = browser.post("/account/link", {"csrf_token": mine, "provider": provider})
            assert is_refusal(answer, 403)
    assert scene.stage.query("SELECT count(*) FROM tickets WHERE state LIKE '%link%'") == [(0,)]


def test_connecting_takes_a_recent_sign_in(scene: Scene) -> None:
    """H26: a session that was left open connects nothing, neither when setting out nor when coming back."""
    browser = scene.stage.signed_in(ALICE)
    user = scene.newcomer(provider="other")
    back = scene.agree(link(scene, browser), user, provider="other")
    scene.stage.change(
        "UPDATE sessions SET created_at = created_at - 3600000000 WHERE user_id = ?", scene.user_of(browser)
    )
    with scene.nothing_happens(asks=True, provider="other"):
        assert is_refusal(scene.come_back(browser, back, "other"), 400)
        token = browser.open_form("/sessions").fields["csrf_token"]
        answer = browser.post("/account/link", {"csrf_token": token, "provider": "other"})
        assert answer.status == 303
        assert b"/login?confirm=1" in answer.one("location")


@pytest.mark.parametrize("by", ["nobody", "bob", "alice signed in anew"])
def test_a_connection_is_for_whoever_asked_for_it(scene: Scene, by: str) -> None:
    """H26, H01: in the same browser, signed out, as somebody else or anew meanwhile, it comes to nothing."""
    browser = scene.stage.signed_in(ALICE)
    user = scene.newcomer(provider="other")
    back = scene.agree(link(scene, browser), user, provider="other")
    before = identities(scene)
    browser.sign_out()
    if by == "bob":
        assert browser.sign_in(BOB).status == 303
    elif by == "alice signed in anew":
        # Still she, but perhaps with less than setting out had asked for.
        assert browser.sign_in(ALICE).status == 303
    answer = scene.come_back(browser, back, "other")
    assert is_refusal(answer, 400, 403)
    assert identities(scene) == before
    assert not handed_out(answer)


def test_the_callback_of_a_connection_is_nothing_in_another_browser(scene: Scene) -> None:
    """H26, H01: the victim, signed in, opens the attacker's; nobody's account gets the attacker's identity."""
    attacker, victim = scene.stage.signed_in(BOB), scene.stage.signed_in(ALICE)
    back = scene.agree(link(scene, attacker), scene.newcomer(provider="other"), provider="other")
    with scene.nothing_happens(provider="other"):
        assert is_refusal(scene.come_back(victim, back, "other"), 400)


def test_what_is_connected_to_one_is_not_connected_to_another(scene: Scene) -> None:
    """H26, H11: it stays where it is; and connecting begins no session and changes nobody."""
    user = scene.newcomer(provider="other")
    owner = scene.user_of(scene.signed_in(user, "other"))
    browser = scene.stage.signed_in(ALICE)
    cookie = browser.jar["doorward"]
    before = identities(scene)
    answer = scene.come_back(browser, scene.agree(link(scene, browser), user, provider="other"), "other")
    assert is_refusal(answer, 403)
    assert identities(scene) == before
    assert browser.jar["doorward"] == cookie
    assert scene.user_of(scene.signed_in(user, "other")) == owner


# GitHub: a number, and nothing else


def at_github(scene: Scene, number: Any, **user: Any) -> Browser | None:
    """Sign in as whoever has this number there; None where nobody is let in."""
    scene.octocat.user |= {"id": number, "login": f"octo{number}", "name": "Octo", **user}
    scene.octocat.emails = [{"email": f"octo{number}@there.test", "primary": True, "verified": True}]
    browser = scene.stage.browser()
    answer = scene.sign_in(browser, "", "github")
    if handed_out(answer):
        return browser
    assert is_refusal(answer, 502, 403), answer
    return None


@pytest.mark.parametrize("number", [None, "583231", 0, -1, True, 1.5, [1], {"id": 1}, "", "0x10"], ids=repr)
def test_somebody_without_a_number_is_nobody_at_github(scene: Scene, number: Any) -> None:
    """H11, C-25."""
    with scene.nothing_happens(asks=True):
        assert at_github(scene, number) is None


def test_a_login_at_github_is_a_name_that_others_may_take_over(scene: Scene) -> None:
    """H08, H11, C-25: whoever is renamed keeps the account; who takes the name over gets another."""
    first = at_github(scene, 7001, login="melody")
    renamed = at_github(scene, 7001, login="harmony")
    heir = at_github(scene, 7002, login="melody")
    taker = at_github(scene, 7003, login=ALICE.name)
    users = [scene.user_of(browser) for browser in (first, renamed, heir, taker) if browser is not None]
    assert len(users) == 4
    assert users[0] == users[1]
    assert len(set(users)) == 3
    assert scene.stage.query("SELECT id FROM users WHERE name = ?", ALICE.name)[0][0] not in users


@pytest.mark.parametrize(
    "emails",
    [
        [{"email": ALICE.email, "primary": True, "verified": False}],
        [{"email": ALICE.email, "primary": True, "verified": "true"}],
        [{"email": ALICE.email, "primary": True, "verified": 1}],
        [{"email": ALICE.email, "primary": True}],
        [{"email": [ALICE.email], "primary": True, "verified": True}],
        [ALICE.email],
        {"email": ALICE.email, "primary": True, "verified": True},
        [],
        None,
        "x",
    ],
    ids=str,
)
def test_an_address_at_github_is_verified_or_none(scene: Scene, emails: Any) -> None:
    """H08, C-25: least of all is it the one that somebody wrote into their profile."""
    scene.octocat.user |= {"id": 8000 + len(identities(scene)), "login": "liar", "email": ALICE.email}
    scene.octocat.emails = emails
    browser = scene.stage.browser()
    assert handed_out(scene.sign_in(browser, "", "github"))
    assert account(scene, browser)[1] == ""


@pytest.mark.parametrize("path", ["/login/oauth/access_token", "/user", "/user/emails"])
@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
def test_whatever_github_answers_instead_is_nobody(scene: Scene, path: str, said: Said) -> None:
    """I10, H17, O06: nothing of it is shown, and nothing follows it."""
    if path == "/user/emails" and said.body.startswith((b"[", b"null")):
        said = Said(body=b'"qqcanary"' + b"x")
    scene.octocat.answers[path] = said
    try:
        with scene.nothing_happens(asks=True):
            browser = scene.stage.browser()
            answer = scene.sign_in(browser, "", "github")
    finally:
        scene.octocat.answers.clear()
    assert is_refusal(answer, 502)
    assert b"qqcanary" not in answer.head + answer.body


@pytest.mark.parametrize(
    "issuer", ["https://github.com", "https://evil.example", "", "https://github.com/login/oauth/"]
)
def test_an_answer_that_names_another_is_not_github(scene: Scene, issuer: str) -> None:
    """H14, H02: `iss`, where it stands there, is exact; and PKCE binds the code to this browser."""
    browser, other = scene.stage.browser(), scene.stage.browser()
    back = scene.agree(scene.leave(browser, "github"), provider="github")
    theirs = scene.agree(scene.leave(other, "github"), provider="github")
    asked = len(scene.octocat.requests)
    with scene.nothing_happens():
        answer = scene.come_back(browser, {**back, "iss": issuer}, "github")
        assert is_refusal(answer, 502)
        assert len(scene.octocat.requests) == asked
        back = scene.agree(scene.leave(browser, "github"), provider="github")
        assert is_refusal(scene.come_back(browser, {**back, "code": theirs["code"]}, "github"), 502)


# Google: an address is its own only where it gives it out


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": "zoe@gmail.com"}, "zoe@gmail.com"),
        ({"email": "zoe@corp.test", "hd": "corp.test"}, "zoe@corp.test"),
        ({"email": "zoe2@corp.test"}, ""),
        ({"email": ALICE.email}, ""),
        ({"email": ALICE.email, "hd": ""}, ""),
        ({"email": ALICE.email, "hd": None}, ""),
        ({"email": ALICE.email, "hd": ["x"]}, ""),
        ({"email": "zoe@gmail.com.evil.test"}, ""),
        ({"email": "zoe3@gmail.com", "email_verified": "true"}, ""),
        ({"email": "zoe4@corp.test", "hd": "corp.test", "email_verified": False}, ""),
    ],
    ids=str,
)
def test_an_address_at_google_counts_where_google_gives_it_out(
    scene: Scene, claims: dict[str, Any], email: str
) -> None:
    """H08: one that was verified once, years ago, is anybody's by now."""
    browser = scene.stage.browser()
    answer = scene.sign_in(browser, scene.newcomer(provider="google", **claims), "google")
    assert handed_out(answer), answer
    assert account(scene, browser)[1] == email


@pytest.mark.parametrize(
    "issuer", ["accounts.google.com", "https://accounts.google.com/", "https://Accounts.google.com"]
)
def test_google_has_one_name(scene: Scene, issuer: str) -> None:
    """H14: the one without https, which old libraries accept, is none."""
    name = scene.newcomer(provider="google", email="zoe5@gmail.com")
    with scene.saying("google", iss=issuer), scene.nothing_happens(asks=True, provider="google"):
        assert is_refusal(scene.sign_in(scene.stage.browser(), name, "google"), 502)


def test_what_is_googles_is_not_another_providers(scene: Scene) -> None:
    """H11, I16: the same subject, the same address, the same bytes."""
    name = scene.newcomer(provider="google", sub="bob-2", email="bobby@gmail.com")
    theirs = scene.user_of(scene.signed_in(name, "google"))
    mine = scene.user_of(scene.signed_in("bob"))
    assert theirs != mine
