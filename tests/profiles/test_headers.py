"""The headers of our pages and of every other answer."""

import re

import pytest

from tests.profiles.gateway import Gateway
from tests.profiles.pages import Page

ANSWERS = {
    "a page": ("/login", 200),
    "a page that leads away": ("/account", 303),
    "no page": ("/nowhere", 404),
    "a refusal of the API": ("/api/sessions/list", 401),
    "no door of the API": ("/api/nowhere", 404),
}


@pytest.mark.parametrize(("path", "status"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_the_security_headers(page: Page, gateway: Gateway, path: str, status: int) -> None:
    """A-11, B-08, B-34, D-28 to D-33, E-83 to E-87: on errors, too."""
    answer = gateway.visitor().get(path)
    assert answer.status_code == status
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == page.frame
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert headers["x-permitted-cross-domain-policies"] == "none"
    assert headers.get("x-xss-protection", "") == page.xss
    assert headers["strict-transport-security"] == page.hsts
    assert headers["permissions-policy"].startswith("camera=()")


@pytest.mark.parametrize(("path", "status"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_the_content_security_policy(page: Page, gateway: Gateway, path: str, status: int) -> None:
    """B-30 to B-34, D-28, E-87: nothing but our own, no `unsafe-inline`, a nonce of its own for every page."""
    answers = [gateway.visitor().get(path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, status]
    first, second = (read_policy(answer.headers["content-security-policy"]) for answer in answers)
    assert first["default-src"] == ["'self'"]
    assert "'unsafe-inline'" not in str(first)
    assert "'unsafe-eval'" not in str(first)
    if page.csp == "self":
        assert set(first) == {"default-src"}
        return
    assert first["object-src"] == first["frame-src"] == first["base-uri"] == ["'none'"]
    assert first["frame-ancestors"] == (["'none'"] if page.frame == "DENY" else ["'self'"])
    if page.csp == "list":
        assert first["script-src"] == ["'self'", "'wasm-unsafe-eval'"]
        assert first == second
    elif "html" in answers[0].headers.get("content-type", ""):
        nonces = [re.findall(r"'nonce-([^']+)'", " ".join(each["script-src"])) for each in (first, second)]
        assert [len(found) for found in nonces] == [1, 1]
        assert nonces[0] != nonces[1]
    else:
        assert first["script-src"] == ["'self'"]


def read_policy(text: str) -> dict[str, list[str]]:
    """A Content-Security-Policy, by directive."""
    parts = [part.split() for part in text.split(";") if part.strip()]
    assert len({part[0] for part in parts}) == len(parts), f"a directive stands twice: {text}"
    return {part[0]: part[1:] for part in parts}
