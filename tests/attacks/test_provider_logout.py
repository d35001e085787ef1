"""Signing out at a provider: notices that are none, of others, or come twice (H24)."""

import json
from urllib.parse import urlencode

import pytest

from tests.attacks.abroad import CLIENT_ID, Scene
from tests.attacks.stage import ALICE, NAVIGATION, Browser, handed_out
from tests.attacks.wire import Answer, write
from tests.fakes.lies import ID_TOKEN_LIES, LOGOUT_TOKEN_LIES
from tests.fakes.provider import Lie

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


def notify(scene: Scene, token: str, provider: str = "idp", *, address: str = "", **fields: str) -> Answer:
    """What a provider's server sends: a form, and nothing that a browser has."""
    sender = scene.stage.browser(address)
    body = urlencode({"logout_token": token, **fields}).encode()
    target = f"/logout/backchannel/{provider}".encode()
    return scene.stage.send(write(b"POST", target, sender.headers(FORM), body))


def make_notice(scene: Scene, user: str, provider: str = "idp", **changes: object) -> str:
    """A genuine notice that this person signed out there."""
    return scene.fakes[provider].make_logout_token(user, **{"aud": CLIENT_ID, **changes})


def lives(scene: Scene, browser: Browser) -> bool:
    """Whether the browser is signed in, as checks and pages see it."""
    check = scene.stage.ask("traefik", cookie=browser.cookie()).status == 200
    assert check == (browser.get("/sessions").status == 200)
    return check


def is_ended(scene: Scene, browser: Browser) -> bool:
    """The same, where it must not be."""
    scene.stage.live.pop(browser.jar["doorward"].encode(), None)
    return not lives(scene, browser)


@pytest.fixture(scope="module")
def signed_in() -> dict[str, Browser]:
    """Somebody whom no lie may sign out, for all the tests that lie."""
    return {}


def victim(scene: Scene, kept: dict[str, Browser]) -> tuple[str, Browser]:
    """Somebody who is signed in with the provider; the same one as long as nobody ended that."""
    if not kept:
        name = scene.newcomer()
        kept[name] = scene.signed_in(name)
    return next(iter(kept.items()))


@pytest.mark.parametrize("lie", LOGOUT_TOKEN_LIES.values(), ids=LOGOUT_TOKEN_LIES)
def test_no_lie_signs_anybody_out(scene: Scene, signed_in: dict[str, Browser], lie: Lie) -> None:
    """H24, I01, I02, I13."""
    name, browser = victim(scene, signed_in)
    with scene.lying(lie), scene.nothing_happens():
        answer = notify(scene, make_notice(scene, name))
    assert answer.status == 400
    assert json.loads(answer.body)["error"] == "invalid_request"
    assert lives(scene, browser)


FORMS = ("crit unknown", "kid to a file", "kid of 10 kB", "as flattened JSON", "as JSON with no signatures", "encrypted, and a bomb",
         "encrypted, at a cost", "of two parts", "of four parts", "with padding", "a header key twice", "100000 brackets",
         "signed with a key that it brings along", "signed with a key that it does not publish", "a signature one bit off")  # fmt: skip


@pytest.mark.parametrize("form", [name for name in FORMS if name in ID_TOKEN_LIES])
def test_no_form_of_a_notice_but_the_one_is_read(scene: Scene, signed_in: dict[str, Browser], form: str) -> None:
    """H24, I04, I05, I07, I08, I10."""
    name, browser = victim(scene, signed_in)
    with scene.lying(ID_TOKEN_LIES[form]), scene.nothing_happens():
        assert notify(scene, make_notice(scene, name)).status in {400, 413}
    assert lives(scene, browser)


def test_other_tokens_are_no_notices(scene: Scene, signed_in: dict[str, Browser]) -> None:
    """H24, I13, I14, I16: an ID token; a notice of another provider, or for another client; what is none at all."""
    name, browser = victim(scene, signed_in)
    idp, other = scene.idp, scene.fakes["other"]
    other.users[name] = idp.users[name]
    tokens = [
        idp.make_id_token(name, aud=CLIENT_ID),
        other.make_logout_token(name, aud=CLIENT_ID),
        other.make_logout_token(name, aud=CLIENT_ID, iss=idp.issuer),
        idp.make_logout_token(name, aud="another client"),
        idp.make_logout_token(name, aud=CLIENT_ID, iss=other.issuer),
        "", ".", "..", "a.b.c", "null", "{}", "x" * 20_000, browser.jar["doorward"],
    ]  # fmt: skip
    with scene.nothing_happens():
        for token in tokens:
            assert notify(scene, token).status == 400
        good = make_notice(scene, name)
        for provider in ("other", "closed", "github", "google", "nobody"):
            assert notify(scene, good, provider).status == 400
        for target in (
            "/logout/backchannel/",
            "/logout/backchannel/idp/",
            "/logout/backchannel/IDP",
            "/logout/backchannel",
        ):
            body = urlencode({"logout_token": good}).encode()
            raw = write(b"POST", target.encode(), scene.stage.browser().headers(FORM), body)
            assert scene.stage.send(raw).status == 404
    assert lives(scene, browser)


def test_a_notice_comes_as_a_form_and_in_no_other_way(scene: Scene, signed_in: dict[str, Browser]) -> None:
    """H24, K05, P06: not in an address, as JSON, twice, or as somebody's browser would bring it by a link."""
    name, browser = victim(scene, signed_in)
    with scene.nothing_happens():
        token = make_notice(scene, name)
        query = f"/logout/backchannel/idp?logout_token={token}".encode()
        assert scene.stage.send(write(b"GET", query, browser.headers(*NAVIGATION))).status == 405
        assert scene.stage.send(write(b"POST", query, scene.stage.browser().headers(FORM), b"")).status == 400
        for kind in (b"application/json", b"multipart/form-data; boundary=x", b"text/plain", b""):
            body = json.dumps({"logout_token": token}).encode()
            raw = write(
                b"POST", b"/logout/backchannel/idp", scene.stage.browser().headers((b"Content-Type", kind)), body
            )
            assert scene.stage.send(raw).status == 415
        twice = urlencode([("logout_token", token), ("logout_token", token)]).encode()
        raw = write(b"POST", b"/logout/backchannel/idp", scene.stage.browser().headers(FORM), twice)
        assert scene.stage.send(raw).status == 400
        assert notify(scene, "x" * 100_000).status == 413
    assert lives(scene, browser)


def test_a_notice_ends_exactly_what_it_names_and_once(scene: Scene) -> None:
    """H24: one session by its name there, all of one person by theirs; at its second coming, nothing."""
    name, other = scene.newcomer(), scene.newcomer()
    with scene.saying(sid="one"):
        first = scene.signed_in(name)
    with scene.saying(sid="two"):
        second, neighbour = scene.signed_in(name), scene.signed_in(other)
    elsewhere = scene.newcomer(provider="other", sub=scene.idp.users[name]["sub"])
    with scene.saying("other", sid="one"):
        stranger = scene.signed_in(elsewhere, "other")
    alice = scene.stage.signed_in(ALICE)
    notice = make_notice(scene, name, sid="one")
    assert notify(scene, notice).status == 200
    assert is_ended(scene, first)
    assert all(lives(scene, browser) for browser in (second, neighbour, stranger, alice))
    # Nobody it names is here: that is no error, and it ends nothing.
    for changes in ({"sid": "three"}, {"sub": "nobody", "sid": None}, {"sub": "nobody", "sid": "two"}):
        assert notify(scene, make_notice(scene, name, **changes)).status == 200
    assert all(lives(scene, browser) for browser in (second, neighbour, stranger, alice))
    with scene.saying(sid="one"):
        anew = scene.signed_in(name)
    assert notify(scene, notice).status == 400
    assert lives(scene, anew)
    assert notify(scene, make_notice(scene, name, sid=None)).status == 200
    assert is_ended(scene, anew)
    assert is_ended(scene, second)
    assert all(lives(scene, browser) for browser in (neighbour, stranger, alice))
    assert handed_out(scene.sign_in(scene.stage.browser(), name))


def test_only_notices_that_are_not_genuine_run_out_of_tries(scene: Scene) -> None:
    """H24, T-17: whoever makes them up is stopped after ten; a provider that signs out a whole company is not."""
    name = scene.newcomer()
    busy, liar = scene.stage.address(), scene.stage.address()
    for _ in range(30):
        assert notify(scene, make_notice(scene, name), address=busy).status == 200
    statuses = [notify(scene, f"a.b.{number}", address=liar).status for number in range(12)]
    assert statuses == [400] * 10 + [429] * 2
    browser = scene.signed_in(name)
    assert notify(scene, make_notice(scene, name), address=liar).status == 429
    assert lives(scene, browser)
    assert notify(scene, make_notice(scene, name), address=busy).status == 200
    assert is_ended(scene, browser)


# By the browser


def frame(scene: Scene, browser: Browser, provider: str = "idp", **query: str) -> Answer:
    """Open the address that a provider frames."""
    return browser.get(f"/logout/frontchannel/{provider}?{urlencode(query)}")


def test_a_frame_ends_what_it_names_and_nothing_else(scene: Scene) -> None:
    """H24: whoever knows neither the provider's name nor that of the session there ends nothing."""
    name = scene.newcomer()
    with scene.saying(sid="framed"):
        browser = scene.signed_in(name)
    issuer, sub = scene.idp.issuer, scene.idp.users[name]["sub"]
    guesses = [
        {"iss": issuer}, {"iss": issuer, "sid": ""}, {"iss": issuer, "sid": "Framed"}, {"iss": issuer, "sid": "framed "},
        {"iss": issuer, "sid": "%"}, {"iss": issuer, "sid": sub}, {"iss": f"{issuer}/", "sid": "framed"}, {"iss": "", "sid": "framed"},
        {"iss": scene.fakes["other"].issuer, "sid": "framed"}, {"iss": issuer, "sub": sub}, {"iss": issuer, "sid": "f" * 600}, {},
    ]  # fmt: skip
    for guess in guesses:
        for visitor in (scene.stage.browser(), browser):
            visitor.address = scene.stage.address()
            assert frame(scene, visitor, **guess).status in {200, 400}, guess
    for provider in ("other", "nobody", "github"):
        assert frame(scene, scene.stage.browser(), provider, iss=issuer, sid="framed").status == 400
    assert frame(scene, scene.stage.browser(), iss=issuer, sid="framed", state="x" * 70_000).is_refusal
    assert lives(scene, browser)
    answer = frame(scene, scene.stage.browser(), iss=issuer, sid="framed")
    assert answer.status == 200
    assert b"frame-ancestors " + issuer.encode() + b";" in answer.one("content-security-policy") + b";"
    assert not handed_out(answer)
    assert is_ended(scene, browser)


def test_guesses_at_frames_run_out(scene: Scene) -> None:
    """H24, T-17: ten of them from an address."""
    browser = scene.stage.browser()
    statuses = [frame(scene, browser, iss=scene.idp.issuer, sid=f"guess{number}").status for number in range(12)]
    assert statuses == [200] * 10 + [429] * 2
