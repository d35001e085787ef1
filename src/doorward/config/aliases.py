"""Other names of settings: forward-auth's keys, and variables people already have in their environment. One table each.

A variable is listed only while the setting it stands for exists.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from doorward.config.finding import Finding

KEYS: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    # another spelling -> ours; all but the last are forward-auth's (C-14, C-15, C-30, C-26)
    ("server", "cookieName"): ("cookie", "name"),
    ("server", "domain"): ("cookie", "domain"),
    ("session", "session_ttl"): ("session", "ttl"),
    ("authz", "rules", "*", "domain"): ("authz", "rules", "*", "hosts"),
    ("authz", "rules", "*", "path"): ("authz", "rules", "*", "paths"),
    ("authz", "rules", "*", "policy"): ("authz", "rules", "*", "effect"),
    ("mail", "from"): ("mail", "sender"),
}
"""`*` stands for the position in a list."""

PRIVATE: Final = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
)
"""What "a proxy on the private network" means to `TRUST_PROXY`."""

INTERNAL: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
"""What "the internal network" means to `ALLOW_INTERNAL_NETWORK`."""

_LONGEST_TOKEN: Final = 365

Settings = Mapping[tuple[str, ...], object]


def _read_flag(*path: str) -> Callable[[str], Settings]:
    def read(text: str) -> Settings:
        return {path: {"true": True, "false": False}[text.lower()]}

    return read


def _read_text(*path: str) -> Callable[[str], Settings]:
    return lambda text: {path: text}


def _read_words(*path: str) -> Callable[[str], Settings]:
    return lambda text: {path: tuple(text.replace(",", " ").split())}


def _read_admin_group(text: str) -> Settings:
    provider = ("authn", "provider")
    return {
        (*provider, "groups_claim"): "groups",
        (*provider, "admin_claim"): "groups",
        (*provider, "admin_value"): text,
    }


def _read_minutes(*path: str) -> Callable[[str], Settings]:
    def read(text: str) -> Settings:
        if not re.fullmatch(r"[0-9]{1,6}", text):
            raise ValueError(text)
        return {path: f"{text}m" if int(text) else "off"}

    return read


def _read_days(*path: str) -> Callable[[str], Settings]:
    def read(text: str) -> Settings:
        if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
            raise ValueError(text)
        return {path: f"{text}d"}

    return read


def _read_expiration(text: str) -> Settings:
    days = _read_days("session", "ttl")(text)
    # A longer session is no longer token.
    return {**days, ("jwt", "expiration_days"): min(int(text), _LONGEST_TOKEN)}


def _read_internal(text: str) -> Settings:
    # Never the machine itself: those who read `ALLOW_INTERNAL_NETWORK` keep its own addresses shut as well (B-10).
    return {("outbound", "allow"): INTERNAL} if {"true": True, "false": False}[text.lower()] else {}


def _read_hops(text: str) -> Settings:
    if text.lower() in {"0", "false"}:
        return {}
    if not re.fullmatch(r"[1-9][0-9]?", text):
        raise ValueError(text)
    return {("proxy", "hops"): int(text), ("proxy", "trusted"): PRIVATE}


VARIABLES: Final[Mapping[str, tuple[Callable[[str], Settings], str]]] = {
    # name -> (what it sets, how it is written)
    "ALLOW_INTERNAL_NETWORK": (_read_internal, "true or false; true allows all private networks, not this machine"),
    "APP_URL": (_read_text("server", "public_url"), "https://auth.example.com"),
    "AUTH_ENABLED": (_read_flag("authn", "password"), "true or false; false only with authn.trusted_header"),
    # COOKIE_SECURE after it: who sets both means this one (D-04).
    "HTTPS": (_read_flag("cookie", "secure"), "true or false"),
    "COOKIE_SECURE": (_read_flag("cookie", "secure"), "true or false"),
    "CSRF_COOKIE_NAME": (_read_text("csrf", "cookie_name"), "a cookie's name"),
    "CSRF_HTTP_ONLY": (_read_flag("csrf", "http_only"), "true or false"),
    "CSRF_SAME_SITE": (_read_text("csrf", "same_site"), "strict or lax"),
    "CSRF_SECURE": (_read_flag("csrf", "secure"), "true or false"),
    "FORCE_HTTPS": (_read_flag("https", "force"), "true or false"),
    "HSTS_INCLUDE_SUBDOMAINS": (_read_flag("headers", "hsts", "include_subdomains"), "true or false"),
    "INACTIVITY_TIMEOUT_MINUTES": (_read_minutes("session", "idle_timeout"), "a number of minutes, 0 for none"),
    "JWT__Audience": (_read_text("jwt", "audience"), "whom access tokens are for"),
    # One number for both, where it comes from (E-20).
    "JWT__ExpirationDays": (_read_expiration, "a number of days"),
    "JWT__Issuer": (_read_text("jwt", "issuer"), "who makes access tokens"),
    "OIDC_ADMIN_GROUP": (_read_admin_group, "the group in the claim `groups` whose members are administrators"),
    "OIDC_AUTO_PROVISION": (_read_flag("authn", "provider", "auto_provision"), "true or false"),
    "OIDC_CLIENT_ID": (_read_text("authn", "provider", "oidc", "client_id"), "the client id"),
    "OIDC_CLIENT_SECRET": (_read_text("authn", "provider", "oidc", "client_secret"), "the client secret"),
    "OIDC_CLIENT_SECRET_FILE": (
        _read_text("authn", "provider", "oidc", "client_secret_file"),
        "the path of a file with it",
    ),
    "OIDC_ISSUER_URL": (_read_text("authn", "provider", "oidc", "issuer_url"), "https://id.example.com"),
    "OIDC_PROVIDER_NAME": (_read_text("authn", "provider", "name"), "what the button says"),
    "OIDC_REDIRECT_URI": (
        _read_text("authn", "provider", "redirect_url"),
        "https://auth.example.com/api/auth/oidc/callback",
    ),
    "OIDC_SCOPES": (_read_words("authn", "provider", "oidc", "scopes"), "openid email profile groups"),
    "OIDC_TOKEN_AUTH_METHOD": (
        _read_text("authn", "provider", "token_auth_method"),
        "client_secret_basic or client_secret_post",
    ),
    "SESSION_DURATION": (_read_text("session", "ttl"), "24h"),
    "SESSION_DURATION_REMEMBER": (_read_text("session", "remember_ttl"), "7d"),
    "TRUST_PROXY": (_read_hops, "the number of proxies before us, 0 for none"),
}

UNUSED: Final = ("JWT_SECRET", "JWT__SecretKey", "SECRET_KEY")
"""Secrets that other programs sign sessions with. A key from the environment would come back after every rotation."""


def note_unused(environ: Mapping[str, str]) -> list[Finding]:
    """What is set for nothing, though whoever set it may rely on it (B-05)."""
    why = "is set and not used: the key of sessions is made and kept here"
    hint = "remove it; `doorward keys rotate signing` makes a new key"
    return [Finding(name, f"this variable {why}", hint) for name in UNUSED if environ.get(name)]
