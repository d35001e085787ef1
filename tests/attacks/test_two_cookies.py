"""The session cookie in other hands (attacks F, J): it opens apps, and nothing that is ours."""

import re
from html import unescape

from tests.attacks.factors import enter, guard, half_way, local, own_form
from tests.attacks.household import House
from tests.attacks.invariants import REFRESH
from tests.attacks.stage import ALICE, AUTH, DEVICE_COOKIE, ROOT, Browser, Stage
from tests.attacks.test_every_form import snapshot
from tests.attacks.test_routes import ANYBODY, DECLARED, TURNED_AWAY, fill_in
from tests.attacks.wire import DIALECTS, write

SESSION, COMPANION = "doorward", "__Host-doorward-console"
OURS = [key for key, declared in DECLARED.items() if declared.whose != ANYBODY and key[1] != "/logout"]
"""What is for somebody who is signed in; who has the session cookie may end it, so that a found one can be."""
ELSEWHERE = ((b"Sec-Fetch-Site", b"cross-site"),)
HERE = ((b"Sec-Fetch-Site", b"same-origin"),)


def with_only(browser: Browser, **jar: str) -> Browser:
    """Somebody elsewhere with this browser's session cookie, and what else they made up."""
    return Browser(browser.stage, browser.stage.address(), {SESSION: browser.jar[SESSION], **jar})


def is_turned_away(browser: Browser, method: str, path: str, token: str) -> bool:
    """Use a route with a token that is good for this session."""
    target = fill_in(path)
    if path.startswith("/api/"):
        body = None if method == "GET" else b"{}"
        key = ((b"X-CSRF-Token", token.encode()), (b"Content-Type", b"application/json"))
        return browser.call(method, target, *key, body=body).status == 401
    answer = browser.post(target, {"csrf_token": token}) if method == "POST" else browser.get(target)
    return answer.status in TURNED_AWAY and b"/login?confirm=1" in answer.one("location")


def test_a_stolen_session_cookie_opens_nothing_of_ours(stage: Stage) -> None:
    """J18, L10: no page, no call, no form with a token that is good for it; at every address of the table, as root."""
    thief = with_only(stage.visitor(ROOT))
    token = own_form(thief)["csrf_token"]
    before = snapshot(stage), stage.query("SELECT handle FROM sessions ORDER BY handle")
    let_in = [key for key in OURS if not is_turned_away(thief, *key, token)]
    assert let_in == []
    assert (snapshot(stage), stage.query("SELECT handle FROM sessions ORDER BY handle")) == before
    # While the apps go on, as they must.
    for dialect in DIALECTS:
        assert stage.ask(dialect, cookie=thief.cookie()).status == 200


def test_a_stolen_session_cookie_cannot_be_made_whole(stage: Stage) -> None:
    """J18, E28: no proof is asked for that it would be one of; without the password there is no companion."""
    owner = stage.signed_in(ALICE)
    thief = with_only(owner)
    for asking in ("confirm", "fresh", "choose"):
        target = f"/login?{asking}=1&rd=https%3A%2F%2Fauth.example.test%2Faccount"
        page = thief.get(target)
        assert page.status in {200, 303}
        assert COMPANION not in thief.jar
        if page.status == 200:
            form = thief.open_form(target)
            for password in ("", "wrong, anyhow", owner.jar[SESSION]):
                assert thief.post("/login", {**form.fields, "login": ALICE.name, "password": password}).status != 303
    assert COMPANION not in thief.jar
    assert stage.ask("traefik", cookie=owner.cookie()).status == 200
    # It can be put down, with what belongs to it, and nothing else ends.
    other = stage.signed_in(ALICE)
    thief.jar = {SESSION: owner.jar[SESSION]}
    thief.post("/logout", {**own_form(thief), "which": "all", "everywhere": "1"})
    stage.live.pop(owner.jar[SESSION].encode(), None)
    assert stage.ask("traefik", cookie=owner.cookie()).status in {302, 303, 401}
    assert other.get("/account").status == 200


def companions(stage: Stage, owner: Browser) -> dict[str, str]:
    """Values that were made for something else, or by somebody else."""
    own = owner.jar[COMPANION]
    return {
        "of another session": stage.signed_in(ALICE).jar[COMPANION],
        "of somebody else": stage.visitor(ROOT).jar[COMPANION],
        "the session itself": owner.jar[SESSION],
        "half of it": owner.jar[SESSION].partition(".")[2],
        "a device's": owner.jar[DEVICE_COOKIE],
        "cut": own[:-1],
        "longer": own + "A",
        "quoted": f'"{own}"',
        "another case": own.swapcase(),
        "none": "",
        "a hundred": "A" * 100,
    }


def test_no_other_companion_will_do(stage: Stage) -> None:
    """J06, J15, J18: of another session, of somebody else, spoilt, or twice."""
    owner = stage.signed_in(ALICE)
    assert owner.get("/account").status == 200
    for what, value in companions(stage, owner).items():
        answer = with_only(owner, **{COMPANION: value}).get("/account")
        assert (answer.status, b"confirm=1" in answer.one("location")) == (303, True), what
    own = owner.jar[COMPANION]
    twice = with_only(owner, **{COMPANION: f"{own}; {COMPANION}={own}"})
    assert b"confirm=1" in twice.get("/account").one("location")
    for name in ("doorward-console", COMPANION.lower(), f"x{COMPANION}"):
        assert b"confirm=1" in with_only(owner, **{name: own}).get("/account").one("location")
    # Nor does it do anything by itself.
    alone = Browser(stage, stage.address(), {COMPANION: own})
    assert b"/login?rd=" in alone.get("/account").one("location")


def test_a_planted_session_is_nobodys_here(stage: Stage) -> None:
    """J01, J06, J18: a sibling plants its own over the visitor's, or beside it; no form of theirs works in it."""
    mallory = stage.signed_in(stage.newcomer())
    victim = stage.signed_in(ALICE)
    form = own_form(victim)
    rows = snapshot(stage)
    over = Browser(stage, victim.address, victim.jar | {SESSION: mallory.jar[SESSION]})
    value = f"{victim.jar[SESSION]}; {SESSION}={mallory.jar[SESSION]}"
    beside = Browser(stage, victim.address, victim.jar | {SESSION: value})
    for browser, way in ((over, b"/login?confirm=1"), (beside, b"/login?rd=")):
        assert way in browser.get("/account/profile", *HERE).one("location")
        jar = dict(browser.jar)
        answer = browser.post("/account/profile", {**form, "display_name": "Planted", "language": ""})
        assert (answer.status, way in answer.one("location")) == (303, True)
        browser.jar = jar
        key = (b"X-CSRF-Token", form["csrf_token"].encode())
        patch = browser.call(
            "PATCH", "/api/v1/account", key, (b"Content-Type", b"application/json"), body=b'{"display_name":"x"}'
        )
        assert patch.status == 401
    assert snapshot(stage) == rows


LED = ["/account", "/account?rd=https://evil.test/", "/sessions?offset=0&x=//evil.test", "/admin/users?offset=0"]
ODD = ["//evil.test/account", "/account//evil.test", "/\\evil.test", "/account/..//evil.test", "/account%0d%0aX:y"]


def test_the_page_that_leads_round_leads_to_itself(stage: Stage) -> None:
    """D16, J18: and not for ever: whoever still says "from elsewhere" is asked to confirm, and a form never goes round."""
    owner = stage.visitor(ROOT)
    for target in LED:
        browser = with_only(owner)
        led = browser.get(target, *ELSEWHERE)
        (onward,) = REFRESH.findall(led.body)
        url = unescape(onward.decode())
        assert (led.status, url.split("?")[0]) == (200, f"https://{AUTH.decode()}{target.split('?')[0]}")
        assert re.search(rb'<a class="button button-wide" href="https://auth\.example\.test/', led.body)
        for _ in range(5):
            last = browser.get(target, *ELSEWHERE)
        assert b"/login?confirm=1" in last.one("location")
    for target in ODD:
        raw = write(b"GET", target.encode(), with_only(owner).headers((b"Accept", b"text/html"), *ELSEWHERE))
        answer = stage.send(raw)
        # An address of nobody's is nobody's, wherever one comes from.
        assert answer.status in {400, 404}
        assert not REFRESH.findall(answer.body)
    thief = with_only(owner)
    answer = thief.post("/account/delete", own_form(thief), *ELSEWHERE)
    assert (answer.status, b"/login?confirm=1" in answer.one("location")) == (303, True)
    forged = with_only(owner, **{"__Host-doorward-trail": "0.99999999999.0123456789abcdef"})
    assert forged.get("/account", *ELSEWHERE).status in {200, 303}


def test_what_was_proven_is_what_opens(house: House) -> None:
    """F15: a password, a link and a device that is known are no second factor; a session from before it is none either."""
    stage = house.stage
    guest = stage.newcomer("users")
    plain = stage.signed_in(guest)
    for dialect in DIALECTS:
        answer = stage.ask(dialect, host=b"two.example.test", cookie=plain.cookie())
        assert answer.status in {302, 303, 401, 403}
    assert stage.ask("traefik", cookie=plain.cookie()).status == 200
    guarded = guard(stage)
    browser, fields = half_way(stage, guarded.person)
    assert enter(browser, guarded.person, "/login/factor", {**fields, "code": guarded.code()}) == 303
    assert stage.ask("traefik", host=b"two.example.test", cookie=browser.cookie()).status == 200
    # By the word of whoever asks, nothing more is proven.
    for name in (b"Remote-User", b"X-Doorward-Methods", b"X-Forwarded-User-Email", b"Authorization"):
        more = [(name, b"Basic dGluYTp4" if name == b"Authorization" else guest.email.encode())]
        answer = stage.ask("traefik", host=b"two.example.test", cookie=plain.cookie(), more=more)
        assert answer.status in {302, 303, 401, 403}


def test_a_device_that_is_known_spares_nobody_the_factor(house: House) -> None:
    """F16: its mark opens nothing, whoever it is of, forged or from before the sign-ins were ended."""
    stage = house.stage
    guarded = guard(stage)
    browser, fields = half_way(stage, guarded.person)
    assert enter(browser, guarded.person, "/login/factor", {**fields, "code": guarded.code()}) == 303
    own, other = browser.jar[DEVICE_COOKIE], stage.signed_in(ALICE).jar[DEVICE_COOKIE]

    def ask(mark: str) -> None:
        visitor = stage.browser()
        visitor.jar[DEVICE_COOKIE] = mark
        step = local(visitor.sign_in(guarded.person))
        assert step.startswith("/login/factor?ticket=")
        form = visitor.open_form(step)
        assert visitor.post("/login/factor", {**form.fields, "code": ""}).status in {400, 403}

    for mark in (own, other, f"99999999999.{own.partition('.')[2]}", own.replace(".", "..", 1)):
        ask(mark)
    assert house.act(guarded.person.name, "end_sessions") == "end_sessions"
    stage.bury(guarded.person)
    ask(own)
