"""The way back from a provider, on the real callback: whose it is, how often, and what stands in its query (H, T-08)."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from doorward.rules.audit import Act
from tests.attacks.abroad import CLIENT_ID, PUBLIC_URL, Scene, abroad, is_refusal, query_of
from tests.attacks.stage import ALICE, AUTH, BOB, BROWSER_COOKIE, CSRF_COOKIE, NAVIGATION, ROOT, STRANGER, handed_out
from tests.attacks.wire import Answer, write

CANARY = "qqcanary"
"""Stands in everything that a stranger writes into the query, and may stand in no answer."""
SCRIPT = f"<script>{CANARY}()</script>"
Mangle = Callable[[dict[str, str]], str]


def shows(answer: Answer) -> bool:
    """Whether an answer repeats what stood in the query."""
    return CANARY.encode() in answer.head.lower() + answer.body.lower()


# Whose it is


@pytest.mark.parametrize("who", ["nobody", "bob", "bob by the provider", "two cookies", "a made-up cookie"])
def test_a_callback_is_good_in_the_browser_that_set_out_and_in_no_other(scene: Scene, who: str) -> None:
    """H01, T-08, C-07: neither fresh nor signed in; and nobody who learns a state can spoil it for whose it is."""
    stage, mine = scene.stage, scene.stage.browser()
    back = scene.agree(scene.leave(mine))
    match who:
        case "bob":
            other = stage.signed_in(BOB)
        case "bob by the provider":
            other = scene.signed_in("bob")
        case _:
            other = stage.browser()
            other.open_form()
    if who == "a made-up cookie":
        other.jar[BROWSER_COOKIE] = "A" * 43
    elif who == "two cookies":
        other.jar[f"x=1; {BROWSER_COOKIE}"] = mine.jar[BROWSER_COOKIE]
    held = dict(other.jar)
    with scene.nothing_happens():
        assert is_refusal(scene.come_back(other, back), 400)
    assert other.jar.get("doorward") == held.get("doorward")
    assert handed_out(scene.come_back(mine, back))


def test_nobody_is_signed_in_as_the_attacker(scene: Scene) -> None:
    """H01, H26, T-08: the victim's browser opens the attacker's callback, before and after it set out by itself."""
    attacker, victim = scene.stage.browser(), scene.stage.browser()
    theirs = scene.agree(scene.leave(attacker), "bob")
    with scene.nothing_happens():
        assert is_refusal(scene.come_back(victim, theirs), 400)
        url = scene.leave(victim)
        assert is_refusal(scene.come_back(victim, theirs), 400)
    # Their code in a round trip of one's own: it was given out for another verifier and another nonce.
    state = query_of(url)["state"]
    with scene.nothing_happens(asks=True):
        assert is_refusal(scene.come_back(victim, {**theirs, "state": state}), 502)
    # Refused there, too: whoever sees a code used with a wrong verifier must not give anything for it any more.
    with scene.nothing_happens(asks=True):
        assert is_refusal(scene.come_back(attacker, theirs), 502)


# What is wrong with the query, so that nothing is even looked at

UNREADABLE: dict[str, Mangle] = {
    "nothing": lambda _: "",
    "no state": lambda back: urlencode({**back, "state": ""}).replace("state=", "x="),
    "an empty state": lambda back: urlencode({**back, "state": ""}),
    "a state with nothing after it": lambda back: f"code={back['code']}&state",
    "two states": lambda back: urlencode(back) + f"&state={CANARY}",
    "the state twice": lambda back: urlencode(back) + f"&state={back['state']}",
    "two states, one escaped": lambda back: urlencode(back) + f"&st%61te={back['state']}",
    "two codes": lambda back: urlencode(back) + f"&code={CANARY}",
    "the code twice": lambda back: urlencode(back) + f"&code={back['code']}",
    "two issuers": lambda back: urlencode(back) + f"&iss=https://{CANARY}.test",
    "two errors": lambda back: urlencode(back) + f"&error={CANARY}&error=access_denied",
    "two of something else": lambda back: urlencode(back) + f"&session_state={CANARY}&session_state=1",
    "a made-up state": lambda back: urlencode({**back, "state": CANARY + "A" * 35}),
    "a state cut short": lambda back: urlencode({**back, "state": back["state"][:-1]}),
    "a state with padding": lambda back: urlencode({**back, "state": back["state"] + "="}),
    "a state with a space": lambda back: urlencode({**back, "state": back["state"] + " "}),
    "a state with NUL": lambda back: urlencode({**back, "state": back["state"] + "\0"}),
    "a state with a line end": lambda back: urlencode({**back, "state": f"{back['state']}\r\nSet-Cookie: {CANARY}=1"}),
    "a state in capitals": lambda back: urlencode({**back, "state": back["state"].swapcase()}),
    "a state as a list": lambda back: urlencode(back).replace("state=", "state[]="),
    "a state in brackets": lambda back: urlencode(back).replace("state=", "state[0]="),
    "a state of 257": lambda back: urlencode({**back, "state": back["state"] + "A" * 214}),
    "a state of 10 kB": lambda back: urlencode({**back, "state": CANARY * 1250}),
    "a state that is no UTF-8": lambda back: urlencode(back).replace("state=", "state=%ff%fe"),
    "a state with half a character": lambda back: urlencode(back).replace("state=", "state=%ed%a0%80"),
    "a script as state": lambda back: urlencode({**back, "state": SCRIPT}),
    "a code of 5 kB": lambda back: urlencode({**back, "code": CANARY * 625}),
    "an issuer of 4 kB": lambda back: urlencode({**back, "iss": "https://" + CANARY * 500}),
    "a code that is no UTF-8": lambda back: urlencode({**back, "code": ""}).replace("code=", "code=%ff"),
    "line ends in an error": lambda back: urlencode({**back, "error": f"x\r\nSet-Cookie: {CANARY}=1\r\n\r\n<p>"}),
    "semicolons": lambda back: urlencode(back).replace("&", ";"),
    "a thousand parameters": lambda back: urlencode(back) + "".join(f"&{CANARY}{number}=1" for number in range(1000)),
    "behind a fragment": lambda back: "x=1#" + urlencode(back),
    "escaped as a whole": lambda back: quote(urlencode(back)),
}


@pytest.mark.parametrize("mangle", UNREADABLE.values(), ids=UNREADABLE)
def test_a_query_that_is_not_exactly_ours_is_refused_and_spoils_nothing(scene: Scene, mangle: Mangle) -> None:
    """H02, H17, T-08, C-07: missing, doubled, endless, half a character; nothing of it is in the answer."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser))
    with scene.nothing_happens():
        answer = scene.come_back(browser, mangle(back))
        assert is_refusal(answer, 400, 431) or answer.is_refusal
        assert not shows(answer)
    assert handed_out(scene.come_back(browser, back))


def test_a_query_of_a_megabyte_is_refused(scene: Scene) -> None:
    """H02: before it is read to its end."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser))
    for size in (70_000, 1_000_000):
        with scene.nothing_happens():
            target = f"/login/callback/idp?state={back['state']}&code={'c' * size}"
            assert scene.stage.send(write(b"GET", target.encode(), browser.headers(*NAVIGATION))).is_refusal
    assert handed_out(scene.come_back(browser, back))


# What is readable, and ends the round trip without a question to the provider

SPENT: dict[str, tuple[Mangle, int]] = {
    "no code": (lambda back: urlencode({"state": back["state"], "iss": back["iss"]}), 502),
    "an empty code": (lambda back: urlencode({**back, "code": ""}), 502),
    "nothing but the state": (lambda back: urlencode({"state": back["state"]}), 502),
    "no issuer": (lambda back: urlencode({"state": back["state"], "code": back["code"]}), 502),
    "an empty issuer": (lambda back: urlencode({**back, "iss": ""}), 502),
    "the issuer and a slash": (lambda back: urlencode({**back, "iss": back["iss"] + "/"}), 502),
    "the issuer in capitals": (lambda back: urlencode({**back, "iss": back["iss"].upper()}), 502),
    "the issuer cut short": (lambda back: urlencode({**back, "iss": back["iss"][:-1]}), 502),
    "another issuer": (lambda back: urlencode({**back, "iss": f"https://{CANARY}.test"}), 502),
    "the issuer after a space": (lambda back: urlencode({**back, "iss": " " + back["iss"]}), 502),
    "access denied": (lambda back: urlencode({"state": back["state"], "error": "access_denied"}), 400),
    "access denied, and a code": (lambda back: urlencode({**back, "error": "access_denied"}), 400),
    "an error, and a code": (lambda back: urlencode({**back, "error": "server_error"}), 502),
    "a script as error": (lambda back: urlencode({**back, "error": SCRIPT, "error_description": SCRIPT}), 502),
    "an attribute as error": (lambda back: urlencode({**back, "error": f'" onload="{CANARY}()'}), 502),
    "a template as error": (lambda back: urlencode({**back, "error": f"{{{{ {CANARY} }}}}%s{{0}}"}), 502),
    "a forged line of the log": (
        lambda back: urlencode({**back, "error": "x", "error_description": f'"}}\n{{"event": "{CANARY}"'}),
        502,
    ),
    "an error of 10 kB": (
        lambda back: urlencode({**back, "error": CANARY * 1250, "error_description": SCRIPT * 300}),
        502,
    ),
    "an address as error": (
        lambda back: urlencode({**back, "error": "x", "error_uri": f"javascript:{CANARY}()"}),
        502,
    ),
}


@pytest.mark.parametrize(("mangle", "status"), SPENT.values(), ids=SPENT)
def test_what_is_no_sign_in_ends_the_round_trip_without_a_word_to_the_provider(
    scene: Scene, mangle: Mangle, status: int
) -> None:
    """H17, H02, H14: an error is believed even beside a good code; prepared words, one record, one line, no call."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser))
    seen, size = len(scene.stage.audit(Act.LOGIN_FAILED.value)), scene.stage.log_size()
    with scene.nothing_happens():
        answer = scene.come_back(browser, mangle(back))
        assert is_refusal(answer, status)
        assert not shows(answer)
        assert b"Set-Cookie: " + CANARY.encode() not in answer.head
        assert is_refusal(scene.come_back(browser, back), 400)  # spent
    assert len(scene.stage.audit(Act.LOGIN_FAILED.value)) == seen + 1
    lines = [line for line in scene.stage.log_since(size).splitlines() if '"upstream_failed"' in line]
    assert len(lines) == 1
    assert len(lines[0]) < 1000


@pytest.mark.parametrize(
    "path",
    [
        "/login/callback/other",
        "/login/callback/matching",
        "/login/callback/nobody",
        "/api/auth/login",
        "/api/auth/oidc/callback",
    ],
)
def test_a_state_of_one_provider_is_none_at_the_callback_of_another(scene: Scene, path: str) -> None:
    """H02, T-08, D-07: neither of another that exists, nor of one that does not; it is spent by that."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser))
    calls = scene.asked(provider="other")
    with scene.nothing_happens():
        assert is_refusal(browser.get(f"{path}?{urlencode(back)}"), 400)
        assert is_refusal(scene.come_back(browser, back), 400)
    assert scene.asked(provider="other") == calls


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/oidc/callback"])
def test_a_callback_that_others_had_is_as_strict(tmp_path: Path, path: str) -> None:
    """C-07, D-07, H01, H02: it is the one way back of the provider that is set to it, and of one use."""
    with abroad(tmp_path, {"idp": {"redirect_url": PUBLIC_URL + path}}, first=ROOT) as scene:
        client = scene.idp.clients[CLIENT_ID]
        scene.idp.clients[CLIENT_ID] = replace(client, redirect_uris=(PUBLIC_URL + path,))
        others = {"/login/callback/idp", "/api/auth/login", "/api/auth/oidc/callback"} - {path}
        for other in sorted(others):
            browser = scene.stage.browser()
            back = scene.agree(scene.leave(browser))
            with scene.nothing_happens():
                assert is_refusal(browser.get(f"{other}?{urlencode(back)}"), 400)
                assert is_refusal(browser.get(f"{path}?{urlencode(back)}"), 400)
        browser, thief = scene.stage.browser(), scene.stage.browser()
        back = scene.agree(scene.leave(browser))
        with scene.nothing_happens():
            assert is_refusal(thief.get(f"{path}?{urlencode(back)}"), 400)
            assert is_refusal(browser.get(f"{path}?code={back['code']}"), 400)
        assert handed_out(browser.get(f"{path}?{urlencode(back)}"))
        with scene.nothing_happens():
            assert is_refusal(browser.get(f"{path}?{urlencode(back)}"), 400)


@pytest.mark.parametrize(
    "path",
    [
        "/login/callback/idp/",
        "/login/callback//idp",
        "/login/callback/IDP",
        "/login/callback/./idp",
        "/login/callback/idp/../idp",
        "/login/callback/",
        "/login/callback",
        "/login/callback/*",
        "/login/callback/idp%2f",
        "/login/callback/idp%00",
        "/login/callback/idp;x=1",
        f"/login/callback/{'a' * 33}",
        "/api/auth/login/",
        "/api/auth/LOGIN",
    ],
)
def test_the_callback_has_one_spelling(scene: Scene, path: str) -> None:
    """H02: every other one is no page at all, and spoils nothing."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser))
    with scene.nothing_happens():
        answer = browser.get(f"{path}?{urlencode(back)}")
        assert answer.is_refusal, answer
    assert handed_out(scene.come_back(browser, back))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_callback_takes_no_forms(scene: Scene, method: str) -> None:
    """H02: nor does any method but GET begin a session."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser))
    with scene.nothing_happens():
        body = urlencode(back).encode()
        headers = browser.headers((b"Content-Type", b"application/x-www-form-urlencoded"))
        target = b"/login/callback/idp?" + body
        assert scene.stage.send(write(method.encode(), target, headers, body)).status in {403, 405}
    assert handed_out(scene.come_back(browser, back))


# How often, how long


def test_a_state_is_good_once(scene: Scene) -> None:
    """H02, C-07, T-08: the same callback again, with the same code, a new one, or none."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser))
    assert handed_out(scene.come_back(browser, back))
    fresh = scene.agree(scene.leave(scene.stage.browser()))
    for again in (back, {**back, "code": fresh["code"]}, {"state": back["state"]}):
        with scene.nothing_happens():
            assert is_refusal(scene.come_back(browser, again), 400)


def test_a_state_expires(scene: Scene) -> None:
    """H02, C-20: by our clock, whatever the browser keeps."""
    browser = scene.stage.browser()
    back = scene.agree(scene.leave(browser))
    scene.stage.change("UPDATE tickets SET expires_at = 1 WHERE purpose = 'upstream'")
    with scene.nothing_happens():
        assert is_refusal(scene.come_back(browser, back), 400)


def test_one_thing_of_ours_is_not_another(scene: Scene) -> None:
    """I14: tickets, tokens and cookies of one purpose are nothing for another."""
    browser = scene.stage.signed_in(ALICE)
    back = scene.agree(scene.leave(scene.stage.browser()))
    page = browser.open_form("/sessions")
    other = scene.stage.browser()
    form = other.open_form()
    secrets = [
        form.fields["ticket"],
        form.fields.get("csrf", ""),
        *page.fields.values(),
        other.jar[BROWSER_COOKIE],
        *browser.jar.values(),
        *browser.jar["doorward"].split("."),
        other.jar.get(CSRF_COOKIE, ""),
    ]
    with scene.nothing_happens():
        for visitor in (browser, other):
            for secret in {each for each in secrets if each and len(each) < 257}:
                visitor.address = scene.stage.address()
                assert is_refusal(scene.come_back(visitor, {**back, "state": secret}), 400)
        # And a state is no ticket, no token and no session.
        url = scene.leave(other)
        state = query_of(url)["state"]
        for name in [each for each in form.fields if form.fields[each]]:
            fields = {**form.fields, name: state, "login": ALICE.name, "password": ALICE.password}
            assert not handed_out(other.post("/login", fields))
        for name in ("doorward", CSRF_COOKIE):
            thief = scene.stage.browser()
            thief.jar[name] = state
            assert thief.get("/sessions").status == 303


# What goes out


def test_everything_that_goes_out_is_fresh_and_of_one_use(scene: Scene) -> None:
    """H06, H03, H02: S256 and 43 characters each time; the verifier is in no cookie, page or address before it is used."""
    browser = scene.stage.browser()
    urls = [query_of(scene.leave(browser)) for _ in range(3)]
    urls += [query_of(scene.leave(scene.stage.browser())) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        values = {query[name] for query in urls}
        assert len(values) == len(urls)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in values)
    assert {query["code_challenge_method"] for query in urls} == {"S256"}
    assert {query["response_type"] for query in urls} == {"code"}
    assert not any({"response_mode", "code_verifier", "client_secret"} & query.keys() for query in urls)
    assert handed_out(scene.sign_in(browser))
    verifier = scene.idp.asked("/token")[-1].form["code_verifier"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43,128}", verifier)
    seen = b"".join(note.answer.head + note.answer.body for note in scene.stage.journal)
    assert verifier.encode() not in seen
    assert verifier not in scene.stage.log
    assert scene.stage.query("SELECT count(*) FROM tickets WHERE state LIKE ?", f"%{verifier}%") == [(0,)]


@pytest.mark.parametrize(
    "more",
    [
        [(b"X-Forwarded-Host", b"evil.example")],
        [(b"X-Forwarded-Host", b"app.example.test"), (b"X-Forwarded-Proto", b"https")],
        [(b"X-Forwarded-Port", b"8443")],
        [(b"X-Forwarded-Prefix", b"/evil")],
        [(b"X-Forwarded-Server", b"evil.example")],
        [(b"X-Original-Host", b"evil.example")],
        [(b"X-Host", b"evil.example")],
        [(b"Forwarded", b"host=evil.example;proto=http")],
        [(b"X-Original-URL", b"https://evil.example/")],
        [(b"Referer", b"https://evil.example/login")],
    ],
    ids=lambda more: more[0][0].decode(),
)
def test_the_way_back_is_always_the_one_of_the_configuration(scene: Scene, more: list[tuple[bytes, bytes]]) -> None:
    """H20, A12: whatever host a request claims, from a proxy of ours or from a stranger."""
    for source in ("127.0.0.2", STRANGER):
        browser = scene.stage.browser()
        form = browser.open_form("/login?choose=1")
        browser.address = scene.stage.address()
        fields = urlencode({**form.fields, "provider": "idp"}).encode()
        own = [(b"Content-Type", b"application/x-www-form-urlencoded"), (b"Origin", b"https://" + AUTH)]
        proxy = [pair for pair in browser.headers(*NAVIGATION, *own) if pair[0] not in {name for name, _ in more}]
        answer = scene.stage.send(write(b"POST", b"/login/with", [*proxy, *more], fields), source=source)
        where = re.search(rb"redirect_uri=([^&;\"]+)", answer.body)
        assert where is not None, answer
        assert where[1].decode() == quote(f"{PUBLIC_URL}/login/callback/idp", safe="")


@pytest.mark.parametrize(
    "host", [b"evil.example", b"app.example.test", b"auth.example.test:8443", b"auth.example.test@evil"]
)
def test_under_another_name_nobody_sets_out(scene: Scene, host: bytes) -> None:
    """H20, L15: a form sent to another host leads nowhere."""
    browser = scene.stage.browser()
    form = browser.open_form("/login?choose=1")
    fields = urlencode({**form.fields, "provider": "idp"}).encode()
    own = [(b"Content-Type", b"application/x-www-form-urlencoded"), (b"Origin", b"https://" + AUTH)]
    before = scene.stage.query("SELECT count(*) FROM tickets WHERE purpose = 'upstream'")
    answer = scene.stage.send(write(b"POST", b"/login/with", browser.headers(*NAVIGATION, *own, host=host), fields))
    assert answer.is_refusal
    assert scene.stage.query("SELECT count(*) FROM tickets WHERE purpose = 'upstream'") == before
