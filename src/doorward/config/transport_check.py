"""What may not stand together about http and https and about our cookies, and what an operator should know of it."""

from collections.abc import Iterator
from typing import Final

from doorward.config.finding import Finding
from doorward.config.names import is_local
from doorward.config.schema import Config

_OURS: Final = frozenset({f"doorward-{use}" for use in ("browser", "console", "csrf", "device", "trail", "way")})
_PREFIXES: Final = ("__Host-", "__Secure-")


def check_transport(config: Config) -> Iterator[Finding]:
    """Problems, with which nothing may start."""
    yield from _check_secure(config)
    yield from _check_session_name(config)
    yield from _check_csrf(config)
    yield from _check_force(config)


def note_transport(config: Config) -> Iterator[Finding]:
    """What an operator should know."""
    if config.server.insecure_http and not (config.server.is_https and config.cookie_secure):
        yield Finding(
            "server.insecure_http",
            f"DANGER: {config.server.public_url} carries passwords and cookies without protection",
            "use https",
        )


def _check_secure(config: Config) -> Iterator[Finding]:
    server = config.server
    if not server.is_https and not is_local(server.public_host) and not server.insecure_http:
        yield Finding(
            "server.public_url",
            f"{server.public_url} is not https, so passwords and cookies would travel readably",
            "use https; `server.insecure_http: true` or --allow-insecure-http would accept it",
            ("server.insecure_http",),
        )
    yield from _check_flag(config, "cookie.secure", config.cookie.secure, "so nobody could sign in")


def _check_flag(config: Config, key: str, secure: bool | str, so: str) -> Iterator[Finding]:
    """What is wrong with one of the cookies' `secure`. `so`: what comes of a cookie that no browser keeps."""
    server = config.server
    if server.is_https and secure is False and not server.insecure_http:
        yield Finding(
            key,
            "without Secure the cookie also travels over plain http",
            "write auto; `server.insecure_http: true` would accept it",
            ("server.public_url", "server.insecure_http"),
        )
    if not server.is_https and secure is True and not is_local(server.public_host):
        yield Finding(
            key,
            f"browsers keep no Secure cookie from {server.public_url}, {so}",
            "write auto, or use https",
            ("server.public_url",),
        )


def _check_session_name(config: Config) -> Iterator[Finding]:
    cookie = config.cookie
    if cookie.name.startswith("__Host-") and cookie.domain:
        yield Finding(
            "cookie.name", "browsers refuse a __Host- cookie with a domain", "choose another name", ("cookie.domain",)
        )
    if cookie.name.startswith(_PREFIXES) and not config.cookie_secure:
        yield Finding(
            "cookie.name",
            "browsers keep a cookie of this name over https only",
            "choose another name",
            ("server.public_url", "cookie.secure"),
        )
    if _bare(cookie.name) in _OURS:
        yield Finding("cookie.name", "another cookie of ours has this name", "choose another name")


def _check_csrf(config: Config) -> Iterator[Finding]:
    csrf = config.csrf
    yield from _check_flag(config, "csrf.secure", csrf.secure, "so no form could be sent")
    name = csrf.cookie_name or ""
    if name.startswith(_PREFIXES) and not config.csrf_secure:
        yield Finding(
            "csrf.cookie_name",
            "browsers keep a cookie of this name over https only",
            "choose another name",
            ("server.public_url", "csrf.secure"),
        )
    if name == config.cookie.name or _bare(name) in _OURS - {"doorward-csrf"}:
        yield Finding(
            "csrf.cookie_name", "another cookie of ours has this name", "choose another name", ("cookie.name",)
        )


def _check_force(config: Config) -> Iterator[Finding]:
    if not config.https.force:
        return
    server = config.server
    if not server.is_https:
        yield Finding(
            "https.force",
            f"{server.public_url} is not https, so everybody would be sent in a circle",
            "make server.public_url an https address",
            ("server.public_url",),
        )
    if not config.proxy.trusted:
        yield Finding(
            "https.force",
            "only a trusted proxy can say who came by http, and none is trusted",
            "name your proxies in proxy.trusted",
            ("proxy.trusted",),
        )
    if server.is_https and not config.cookie_secure:
        yield Finding(
            "https.force",
            "with https alone every cookie can be Secure, and the session cookie is not to be",
            "write `cookie.secure: auto`",
            ("cookie.secure",),
        )


def _bare(name: str) -> str:
    return name.removeprefix("__Host-").removeprefix("__Secure-")
