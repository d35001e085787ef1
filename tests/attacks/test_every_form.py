"""Every way to change something (attacks K), read off the tables: none works without the token of this very session."""

from urllib.parse import quote, urlencode

import pytest

from tests.attacks.factors import own_form
from tests.attacks.stage import ALICE, AUTH, CSRF_COOKIE, ROOT, Browser, Stage, handed_out
from tests.attacks.test_routes import ANYBODY, DECLARED, fill_in
from tests.attacks.wire import Pairs, write

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
JSON = (b"Content-Type", b"application/json")
HOME: Pairs = ((b"Origin", b"https://" + AUTH), (b"Sec-Fetch-Site", b"same-origin"))
UNSAFE = [(method, path) for (method, path), declared in DECLARED.items() if declared.unsafe]
KEYS: Pairs = (
    (b"Authorization", b"Bearer dw_" + b"A" * 43),
    (b"Authorization", b"Basic cm9vdDpyb290"),
    (b"X-API-Key", b"A" * 43),
)
NO_KEYS: Pairs = ((b"X-Forwarded-User", b"root"), (b"X-Requested-With", b"XMLHttpRequest"))
TYPES = [b"text/plain", b"multipart/form-data; boundary=x", b"application/json; charset=utf-7", b""]


def fields_of(browser: Browser, method: str, path: str) -> tuple[dict[str, str], bool]:
    """The token a page of ours gives this browser, and whether it is for the API."""
    return own_form(browser, "/login" if DECLARED[method, path].whose == ANYBODY else "/logout"), path.startswith(
        "/api/"
    )


@pytest.mark.parametrize(("method", "path"), UNSAFE, ids=lambda value: value)
def test_nothing_is_changed_without_the_token_of_this_session(stage: Stage, method: str, path: str) -> None:
    """K02, K03, K06: without, another's, in the address, beside a key of nobody's, or from elsewhere: refused."""
    anybody = DECLARED[method, path].whose == ANYBODY
    browser = stage.browser() if anybody else stage.visitor(ROOT)
    own, is_api = fields_of(browser, method, path)
    token = own["csrf_token"]
    foreign = own_form(stage.visitor(ALICE))["csrf_token"]
    target = fill_in(path)
    before = snapshot(stage)

    def send(headers: Pairs, *, sent: str = "", at: str = target, jar: dict[str, str] | None = None) -> int:
        visitor = Browser(stage, browser.address, browser.jar | (jar or {}))
        kind = () if any(name == b"Content-Type" for name, _ in headers) else ((JSON if is_api else FORM),)
        body = b"{}" if is_api else urlencode({"csrf_token": sent} if sent else {}).encode()
        named = ((b"X-CSRF-Token", sent.encode()),) if is_api and sent else ()
        raw = write(method.encode(), at.encode(), visitor.headers(*kind, *named, *headers), body)
        answer = stage.send_on(raw)
        assert handed_out(answer) == []
        return answer.status

    refused = {
        "no token": send(HOME),
        "no token, no word on the origin": send(()),
        "another session's": send(HOME, sent=foreign),
        "another session's, cookie and all": send(HOME, sent=foreign, jar={CSRF_COOKIE: foreign}),
        "in the address": send(HOME, at=f"{target}?csrf_token={quote(token)}&X-CSRF-Token={quote(token)}"),
        "from elsewhere": send(((b"Origin", b"https://evil.test"),), sent=token),
        "from nowhere": send(((b"Origin", b"null"),), sent=token),
        "from an app": send(((b"Origin", b"https://app.example.test"),), sent=token),
        "from another site": send(((b"Sec-Fetch-Site", b"cross-site"),), sent=token),
        "from a neighbour": send(((b"Sec-Fetch-Site", b"same-site"),), sent=token),
        **{f"with {name!r}": send((*HOME, (name, value))) for name, value in NO_KEYS},
    }
    assert {how: status for how, status in refused.items() if status != 403} == {}
    # A page takes no key; at the API it is a wrong one, of which there may be too many from one place.
    with_keys = {send((*HOME, (name, value))) for name, value in KEYS}
    assert with_keys <= ({401, 429} if is_api else {403})
    for kind in TYPES:
        assert send((*HOME, (b"Content-Type", kind))) in {400, 403, 415}
    assert snapshot(stage) == before


def snapshot(stage: Stage) -> list[list[tuple[object, ...]]]:
    """What people have here."""
    tables = (
        "users",
        "passwords",
        "memberships",
        "totp",
        "passkeys",
        "recovery_codes",
        "invites",
        "settings",
        "providers",
        "letters",
    )
    return [stage.query(f"SELECT * FROM {table}") for table in tables]
