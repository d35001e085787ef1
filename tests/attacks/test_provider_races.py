"""Sign-ins at once, and what happens while one is under way: always the outcome of some order (H05, H21, H27, T-06)."""

import asyncio
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.attacks.abroad import CLIENT_ID, CLIENT_SECRET, Scene, is_refusal
from tests.attacks.stage import BOB, NAVIGATION, ROOT, Browser, handed_out
from tests.attacks.wire import Answer, write
from tests.fakes.loopback import Answer as Said
from tests.fakes.loopback import Request

PAIRS, CROWD = 200, 8
RACERS = 8


class Shuffle:
    """Answers the token endpoint a crowd at a time, in an order of its own."""

    def __init__(self, scene: Scene, crowd: int) -> None:
        self._answer, self._crowd = scene.idp.answer, crowd
        self._chance = random.Random(5)
        self._waiting: list[tuple[Request, asyncio.Future[Said]]] = []

    async def __call__(self, request: Request) -> Said:
        mine: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, mine))
        if len(self._waiting) == self._crowd:
            crowd, self._waiting = self._waiting, []
            self._chance.shuffle(crowd)
            for each, future in crowd:
                future.set_result(self._answer(each))
        return await mine


def raw_callback(browser: Browser, back: dict[str, str], provider: str = "idp") -> bytes:
    """The request with which a browser comes back."""
    target = f"/login/callback/{provider}?{urlencode(back)}"
    return write(b"GET", target.encode(), browser.headers(*NAVIGATION))


def test_four_hundred_sign_ins_at_once_are_each_their_own(scene: Scene) -> None:
    """H05, R07: two people, eight at a time, answered out of order; every session has its own subject."""
    subjects = {name: scene.idp.users[name]["sub"] for name in ("alice", "bob")}
    browsers = [(scene.stage.browser(), name) for _ in range(PAIRS) for name in subjects]
    answers: list[tuple[str, Answer]] = []
    with scene.answering("/token", Shuffle(scene, CROWD)), ThreadPoolExecutor(CROWD) as pool:
        for start in range(0, len(browsers), CROWD):
            batch = browsers[start : start + CROWD]
            backs = [scene.agree(scene.leave(browser), name) for browser, name in batch]
            raws = [raw_callback(browser, back) for (browser, _), back in zip(batch, backs, strict=True)]
            answers += [
                (name, answer) for (_, name), answer in zip(batch, pool.map(scene.stage.send, raws), strict=True)
            ]
    owners = {}
    for name, answer in answers:
        [value] = handed_out(answer)
        handle = scene.handle_of(value)
        found = scene.stage.query("SELECT subject, sid FROM upstream_sessions WHERE handle = ?", handle)
        assert found == [(subjects[name], f"sid-{name}")]
        [(user,)] = scene.stage.query("SELECT user_id FROM sessions WHERE handle = ?", handle)
        assert owners.setdefault(name, user) == user
    assert len(set(owners.values())) == 2
    assert Counter(name for name, _ in answers) == {"alice": PAIRS, "bob": PAIRS}


def test_one_callback_sent_many_times_at_once_begins_one_session(scene: Scene) -> None:
    """H02, R04, C-07: the state is taken at most once, and the code is asked about at most once."""
    browser = scene.stage.browser()
    raw = raw_callback(browser, scene.agree(scene.leave(browser), scene.newcomer()))
    calls = scene.asked()
    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(scene.stage.send, [raw] * RACERS))
    assert sum(len(handed_out(answer)) for answer in answers) == 1
    assert Counter(answer.status for answer in answers) == {303: 1, 400: RACERS - 1}
    assert scene.asked() == calls + 1


def test_one_code_in_many_round_trips_at_once_is_good_in_its_own(scene: Scene) -> None:
    """H06, H02: whoever has somebody's code has no verifier for it."""
    browser, name = scene.stage.browser(), scene.newcomer()
    backs = [scene.agree(scene.leave(browser), name) for _ in range(RACERS)]
    raws = [raw_callback(browser, {**back, "code": backs[0]["code"]}) for back in backs]
    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(scene.stage.send, raws))
    given = [answer for answer in answers if handed_out(answer)]
    assert given in ([], answers[:1])
    assert {answer.status for answer in answers} <= {303, 502}


def test_several_tabs_all_get_in(scene: Scene) -> None:
    """H02, J01: each with its own round trip; the last session is the browser's, and those before it are over."""
    browser, name = scene.stage.browser(), scene.newcomer()
    backs = [scene.agree(scene.leave(browser), name) for _ in range(4)]
    cookies = []
    for back in reversed(backs):
        assert handed_out(scene.come_back(browser, back))
        cookies.append(browser.cookie())
    for cookie in cookies[:-1]:
        scene.stage.live.pop(cookie.partition(b"=")[2])
        assert scene.stage.ask("traefik", cookie=cookie).status != 200
    assert scene.stage.ask("traefik", cookie=cookies[-1]).status == 200


def test_somebody_new_who_comes_many_times_at_once_is_one_person(scene: Scene) -> None:
    """R02, H11: one account, one connection, a session for each browser."""
    name = scene.newcomer()
    browsers = [scene.stage.browser() for _ in range(RACERS)]
    raws = [raw_callback(browser, scene.agree(scene.leave(browser), name)) for browser in browsers]
    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(scene.stage.send, raws))
    assert all(len(handed_out(answer)) == 1 for answer in answers)
    sub = scene.idp.users[name]["sub"]
    found = scene.stage.query("SELECT user_id FROM identities WHERE subject = ?", sub)
    assert len(found) == 1
    assert scene.stage.query("SELECT count(*) FROM users WHERE email = ?", f"{name}@there.test") == [(1,)]


# While the provider is being asked


def test_a_sign_out_here_meanwhile_ends_the_session_that_was(scene: Scene) -> None:
    """J01, H26: the new one is another, and what was before it stays over."""
    browser, name = scene.stage.browser(), scene.newcomer()
    back = scene.agree(scene.leave(browser), name)
    assert browser.sign_in(BOB).status == 303
    old = browser.cookie()
    fields = browser.open_form("/logout").fields
    twin = Browser(scene.stage, browser.address, dict(browser.jar))
    with scene.meanwhile(lambda: twin.post("/logout", fields)):
        assert handed_out(scene.come_back(browser, back))
    scene.stage.live.pop(old.partition(b"=")[2])
    assert scene.stage.ask("traefik", cookie=old).status != 200
    assert scene.stage.ask("traefik", cookie=browser.cookie()).status == 200


@pytest.mark.parametrize("changes", [{}, {"sid": None}, {"sub": None}], ids=["both", "the person", "the session"])
def test_a_sign_out_there_meanwhile_lets_nobody_in(scene: Scene, changes: dict[str, None]) -> None:
    """H24, H21: the notice comes before the session that it is about."""
    browser, name = scene.stage.browser(), scene.newcomer()
    scene.signed_in(name)
    back = scene.agree(scene.leave(browser), name)

    def notify() -> None:
        token = scene.idp.make_logout_token(name, **{"aud": CLIENT_ID, **changes})
        body = urlencode({"logout_token": token}).encode()
        form = (b"Content-Type", b"application/x-www-form-urlencoded")
        raw = write(b"POST", b"/logout/backchannel/idp", scene.stage.browser().headers(form), body)
        assert scene.stage.send(raw).status == 200

    sub = scene.idp.users[name]["sub"]
    scene.stage.live = {
        value: owner for value, owner in scene.stage.live.items() if owner.email != f"{name}@there.test"
    }
    with scene.meanwhile(notify):
        assert is_refusal(scene.come_back(browser, back), 403)
    assert scene.stage.query("SELECT count(*) FROM upstream_sessions WHERE subject = ?", sub) == [(0,)]
    assert "doorward" not in browser.jar


@pytest.mark.parametrize("command", ["disable", "delete"])
def test_who_is_disabled_or_deleted_meanwhile_is_not_let_in(scene: Scene, command: str) -> None:
    """H21, E25, T-06, R12: by the command line, beside the running server."""
    browser, name = scene.stage.browser(), scene.newcomer()
    user = scene.user_of(scene.signed_in(name))
    [(login,)] = scene.stage.query("SELECT name FROM users WHERE id = ?", user)
    back = scene.agree(scene.leave(browser), name)
    scene.stage.live = {value: owner for value, owner in scene.stage.live.items() if owner.name != login}
    confirmed = ["--yes"] if command == "delete" else []
    with scene.meanwhile(lambda: scene.stage.command("user", command, login, *confirmed)):
        answer = scene.come_back(browser, back)
    assert scene.stage.query("SELECT count(*) FROM sessions WHERE user_id = ?", user) == [(0,)]
    if command == "disable":
        assert is_refusal(answer, 403)
    else:  # a stranger with the same name there, who gets an account like every stranger
        assert handed_out(answer)
        assert scene.user_of(browser) != user


# A provider that goes away


@pytest.fixture
def listed(scene: Scene) -> str:
    """A provider of the console, open to everybody; its id."""
    provider = "listed"
    administer(scene, "new", id=provider, type="oidc", issuer_url=scene.fakes[provider].url, client_id=CLIENT_ID,
               client_secret=CLIENT_SECRET, auto_provision="1", logout="1", groups_claim="groups")  # fmt: skip
    administer(scene, "enable", provider=provider)
    return provider


def administer(scene: Scene, act: str, **fields: str) -> Answer:
    """Do what an administrator does to providers."""
    browser = scene.stage.visitor(ROOT)
    token = browser.open_form("/sessions").fields["csrf_token"]
    answer = browser.post(f"/admin/providers/{act}", {"csrf_token": token, **fields})
    assert answer.status == 303, answer
    assert b"confirm" not in answer.one("location"), answer
    return answer


def changed(scene: Scene, **fields: str) -> None:
    """Have an administrator change the provider of the console."""
    given = {"type": "oidc", "issuer_url": scene.fakes["listed"].url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
             "auto_provision": "1", "groups_claim": "groups"}  # fmt: skip
    administer(scene, "edit/listed", **{**given, **fields})


ENDS = {
    "disabled": lambda scene: administer(scene, "disable", provider="listed"),
    "removed": lambda scene: administer(scene, "remove", provider="listed"),
    "another client": lambda scene: changed(scene, client_id="doorward:2"),
    "another issuer": lambda scene: changed(scene, issuer_url=scene.fakes["other"].url),
    "another way back": lambda scene: changed(scene, redirect_url="/api/auth/login"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_provider_that_goes_away_signs_nobody_in_any_more(scene: Scene, listed: str, end: object, when: str) -> None:
    """H21, T-06, D-12: before the callback nothing is asked of it; while it is being asked, nothing comes of it."""
    assert callable(end)
    try:
        browser, name = scene.stage.browser(), scene.newcomer(provider=listed, groups=["admin"])
        back = scene.agree(scene.leave(browser, listed), name, provider=listed)
        form = scene.stage.browser()
        fields = form.open_form("/login?choose=1").fields
        if when == "before":
            end(scene)
            with scene.nothing_happens(provider=listed):
                assert is_refusal(scene.come_back(browser, back, listed), 403, 400)
        else:
            with scene.meanwhile(lambda: end(scene), provider=listed):
                assert is_refusal(scene.come_back(browser, back, listed), 403)
        sub = scene.fakes[listed].users[name]["sub"]
        assert scene.stage.query("SELECT count(*) FROM upstream_sessions WHERE subject = ?", sub) == [(0,)]
        granted = "SELECT count(*) FROM identity_groups JOIN identities ON id = identity_id WHERE subject = ?"
        assert scene.stage.query(granted, sub) == [(0,)]
        assert "doorward" not in browser.jar
        if end in (ENDS["disabled"], ENDS["removed"]):
            # An old page that still has the button leads nowhere, and says so.
            with scene.nothing_happens(provider=listed):
                assert is_refusal(form.post("/login/with", {**fields, "provider": listed}), 403)
    finally:
        scene.stage.change("DELETE FROM providers")


def test_what_a_provider_granted_ends_with_it(scene: Scene, listed: str) -> None:
    """H21, J04: sessions made through it, and groups that it gave, at the next request."""
    browser = scene.signed_in(scene.newcomer(provider=listed, groups=["admin"]), listed)
    cookie = browser.cookie()
    assert scene.stage.ask("traefik", host=b"admin.example.test", cookie=cookie).status == 200
    administer(scene, "disable", provider=listed)
    scene.stage.live.pop(cookie.partition(b"=")[2])
    assert scene.stage.ask("traefik", cookie=cookie).status != 200
    assert browser.get("/sessions").status == 303
    administer(scene, "remove", provider=listed)


# Ties


def test_what_is_revoked_there_ends_here(scene: Scene) -> None:
    """H27: groups, administration and admission are asked for again at each renewal; an outage ends nothing."""
    fake = scene.fakes["tied"]
    names = {what: scene.newcomer(provider="tied", groups=["staff"], roles=["ruler"])
             for what in ("kept", "revoked", "moved", "lowered", "disabled", "lying")}  # fmt: skip
    browsers = {what: scene.signed_in(name, "tied") for what, name in names.items()}
    handles = {what: scene.handle_of(browser.jar["doorward"].encode()) for what, browser in browsers.items()}
    assert browsers["lowered"].get("/admin/sessions").status == 200
    fake.users[names["moved"]]["groups"] = ["guests"]
    fake.users[names["lowered"]]["roles"] = []
    for grant in [token for token, grant in fake.refresh_tokens.items() if grant.user == names["revoked"]]:
        del fake.refresh_tokens[grant]
    [(login,)] = scene.stage.query("SELECT name FROM users WHERE id = ?", scene.user_of(browsers["disabled"]))
    scene.stage.command("user", "disable", login)
    for what in ("revoked", "moved", "lowered", "disabled"):
        scene.stage.live.pop(browsers[what].jar["doorward"].encode())
    assert scene.stage.ask("traefik", cookie=browsers["disabled"].cookie()).status != 200

    def due() -> None:
        scene.stage.change("UPDATE upstream_sessions SET check_at = 1 WHERE check_at IS NOT NULL")

    def left() -> set[str]:
        rows = scene.stage.query("SELECT handle FROM upstream_sessions WHERE check_at IS NOT NULL")
        return {what for what, handle in handles.items() if (handle,) in rows}

    def is_through() -> bool:
        return scene.stage.query("SELECT count(*) FROM upstream_sessions WHERE check_at = 1") == [(0,)]

    def is_lowered() -> bool:
        sub = fake.users[names["lowered"]]["sub"]
        return scene.stage.query("SELECT is_admin FROM identities WHERE subject = ?", sub) == [(0,)]

    due()
    scene.stage.gateway.process.wait_until(
        lambda: is_through() and is_lowered() and left() - {"lowered"} == {"kept", "lying"}
    )
    for what in ("revoked", "moved", "disabled", "lowered"):
        assert scene.stage.ask("traefik", cookie=browsers[what].cookie()).status != 200, what
    users = [
        form["refresh_token"] for form in (request.form for request in fake.asked("/token")) if "refresh_token" in form
    ]
    assert len(users) == len(set(users))  # each was used once
    # A provider that is down, or speaks nonsense, signs nobody out.
    with scene.answering("/token", Said(503, b"down"), "tied"):
        asked = scene.asked(provider="tied")
        due()
        scene.stage.gateway.process.wait_until(lambda: is_through() and scene.asked(provider="tied") > asked)
    assert scene.stage.ask("traefik", cookie=browsers["kept"].cookie()).status == 200
    # Where it lies about whom it speaks of, it does.
    with scene.saying("tied", sub="somebody-else"):
        due()
        scene.stage.gateway.process.wait_until(lambda: left() == set())
    for what in ("kept", "lying"):
        scene.stage.live.pop(browsers[what].jar["doorward"].encode())
        assert scene.stage.ask("traefik", cookie=browsers[what].cookie()).status != 200
