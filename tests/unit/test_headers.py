"""Every answer of ours carries the security headers: pages, errors, redirects, files, health (D-28 to D-33, E-83 to E-87)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from doorward.web.headers import HeaderPolicy, SecureHeaders, complete, style_hash
from tests.fakes.door import Answer, Browser, Door, call_app

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-permitted-cross-domain-policies": "none",
    "x-xss-protection": "1; mode=block",
    "strict-transport-security": "max-age=31536000",
    "cross-origin-opener-policy": "same-origin",
}


def directives(answer: Answer) -> dict[str, str]:
    policy = answer.header("content-security-policy")
    return dict(part.strip().split(" ", 1) for part in policy.split(";"))


def check(answer: Answer, *, secretive: bool = False) -> None:
    for name, value in (ALWAYS | ({"referrer-policy": "no-referrer"} if secretive else {})).items():
        assert answer.header(name) == value, name
    assert "geolocation=()" in answer.header("permissions-policy")
    found = directives(answer)
    assert found["default-src"] == "'self'"
    assert found["object-src"] == found["frame-src"] == found["base-uri"] == "'none'"
    assert found["frame-ancestors"] == "'self'"
    assert found["form-action"].startswith("'self'")
    assert "unsafe" not in answer.header("content-security-policy")
    assert answer.header("cache-control")


async def signed_in(door: Door) -> Browser:
    await door.add_user("alice", admin=True)
    browser = Browser(door)
    await browser.sign_in("alice")
    return browser


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE"])
async def test_every_route_has_them_for_every_method(method: str) -> None:
    """D-28, D-29, D-30, D-31, D-32, D-33, E-83, E-84, E-85, E-86, E-87, K14."""
    door = Door()
    browser = await signed_in(door)
    paths = [
        *(path.replace("/*", "/google") for path in door.server.routes),
        *door.assets.paths(),
        "/healthz",
        "/readyz",
        "/nowhere",
        "/static/x",
        "/api/x",
    ]
    for path in paths:
        for someone in (browser, Browser(door)):
            answer = await someone._send(method, path, {})
            check(answer, secretive="callback" in path.removesuffix("/*") or path == "/api/auth/login")
            if path == "/.well-known/jwks.json" and answer.status == 200:
                assert answer.header("cache-control") == "public, max-age=300"  # it is for everybody, and says nothing
            else:
                assert "no-store" in answer.header("cache-control") or path.startswith("/static/")


async def test_errors_have_them() -> None:
    """K14, E-43."""
    door = Door()
    browser = Browser(door)
    await browser.get("/login")
    answers = [
        await browser.get("/login?a=%"),
        await browser.post("/login", {}),
        await browser.post("/login", {}, content_type="text/plain"),
        await browser.post("/login", {"a": "x" * 99_999}),
        await browser.get("/login", host="other.example.test"),
        await browser.get("/login", host="a/?x="),
        await browser.get("/login", cookie="x" * 40_000),
    ]
    assert [answer.status for answer in answers] == [400, 403, 415, 413, 421, 400, 431]
    door.store.broken = True
    answers.append(await browser.get("/login"))
    assert answers[-1].status == 503
    assert answers[-1].header("retry-after")
    for answer in answers:
        check(answer)


async def test_the_nonce_is_new_for_every_page_and_stands_in_it() -> None:
    """D-28."""
    browser = Browser(Door())
    seen = set()
    for path in ("/login", "/login", "/nowhere"):
        answer = await browser.get(path)
        scripts = directives(answer)["script-src"].split()
        nonce = next(part for part in scripts if part.startswith("'nonce-"))[7:-1]
        assert f'nonce="{nonce}"' in answer.text
        seen.add(nonce)
    assert len(seen) == 3


async def test_without_https_no_browser_is_told_to_insist_on_it() -> None:
    """D-33."""
    browser = Browser(Door(public_url="http://auth.localhost:8080", cookie_domain=""))
    assert (await browser.get("/login")).header("strict-transport-security") == ""


def test_what_an_answer_says_itself_is_kept() -> None:
    assert complete([(b"Cache-Control", b"public")], [(b"cache-control", b"no-store"), (b"a", b"b")]) == [
        (b"cache-control", b"public"),
        (b"a", b"b"),
    ]


def test_the_operator_chooses_within_limits() -> None:
    headers = dict(HeaderPolicy(63072000, hsts_subdomains=True, frame="DENY", xss_protection="").base())
    assert headers[b"strict-transport-security"] == b"max-age=63072000; includeSubDomains"
    assert headers[b"x-frame-options"] == b"DENY"
    assert b"x-xss-protection" not in headers
    assert b"frame-ancestors 'none'" in HeaderPolicy(frame="DENY").content_policy()


def test_the_gates_answers_run_no_script_and_allow_one_style_sheet() -> None:
    headers = HeaderPolicy(hsts_seconds=1).gate_headers(style="body{}")
    policy = next(value for name, value in headers if name == b"content-security-policy").decode()
    assert f"style-src {style_hash('body{}')};" in policy
    assert "script-src 'none'" in policy
    assert (b"cache-control", b"no-store") in headers
    assert {name for name, _ in HeaderPolicy().base()} <= {name for name, _ in headers}
    bare = next(value for name, value in HeaderPolicy().gate_headers() if name == b"content-security-policy")
    assert b"style-src 'none'" in bare


async def test_a_visitor_cannot_influence_caching() -> None:
    """K08."""
    browser = Browser(Door())
    answer = await browser.get("/login", vary="Cookie", cache_control="max-age=99")
    assert answer.header("cache-control") == "no-store"
    assert answer.header("vary") == ""
    assert answer.header("etag") == ""


async def test_an_app_within_cannot_leave_them_out() -> None:
    async def bare(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b""})

    answer = await call_app(SecureHeaders(bare, HeaderPolicy(hsts_seconds=31536000)), "GET", "/", [])
    check(answer)


async def test_problems_tell_a_program_what_happened_and_nothing_else() -> None:
    """E-43, E-45."""
    door = Door()
    browser = Browser(door)
    door.store.broken = True
    answer = await browser.get("/login", accept="application/json", sec_fetch_mode="cors")
    told = json.loads(answer.body)
    assert answer.header("content-type") == "application/problem+json"
    assert (told["status"], told["title"]) == (503, "We cannot answer right now")
    assert set(told) == {"type", "title", "status", "detail", "correlation_id", "code"}


LIST = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:; object-src 'none'; frame-src 'none'; "


@pytest.mark.parametrize(
    ("content", "start"),
    [("list", LIST + "frame-ancestors 'self'; base-uri 'none'; form-action 'self'"), ("self", "default-src 'self'")],
)
async def test_another_policy_may_be_chosen(content: Any, start: str) -> None:
    """B-30 to B-34, E-87."""
    browser = Browser(Door(headers=HeaderPolicy(content=content)))
    for target in ("/login", "/nowhere", "/static/x"):
        assert (await browser.get(target)).header("content-security-policy") == start


@pytest.mark.parametrize("content", ["nonce", "list", "self"])
def test_a_page_for_one_other_origin_names_it_whatever_was_chosen(content: Any) -> None:
    policy = HeaderPolicy(content=content).content_policy(framed_by="https://id.example.org")
    assert b"frame-ancestors https://id.example.org" in policy


async def test_a_page_with_its_style_inside_keeps_it_whatever_was_chosen() -> None:
    answer = await Browser(Door(headers=HeaderPolicy(content="self"))).get("/login", host="elsewhere.test")
    nonce = re.search(r'<style nonce="([^"]+)">', answer.text)
    assert nonce
    assert f"style-src 'self' 'nonce-{nonce[1]}'" in answer.header("content-security-policy")


def test_no_page_needs_more_than_the_barest_policy() -> None:
    """E-87: all styles and scripts are files of ours, so that `default-src 'self'` is enough for every page."""
    folder = Path(__file__).parents[2] / "src/doorward/web/pages/templates"
    for path in folder.glob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=\"|javascript:|src=\"(data|https?):", text), path.name
        assert "<script>" not in text, path.name
        if path.name != "base.html":
            assert "<style" not in text, path.name
