"""Profiles: whole sets of values under one name, `profile: strict`, below the file and the environment.

Each names only what it sets otherwise than `balanced`, which is our defaults; every one of its settings can still be
set by itself. Five carry the numbers of the program of that name, so that who comes from there finds what they know.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from doorward.config.environment import get, put
from doorward.config.finding import Finding, format_key

Path = tuple[str, ...]

_NAME: Final = ("cookie", "name")
_DOMAIN: Final = ("cookie", "domain")
_ORIGIN: Final = "profile "

# No "remember me" and no idle limit: the four programs that end a session by its age alone.
_BY_AGE: Final[Mapping[Path, object]] = {
    ("session", "remember_ttl"): "off",
    ("session", "idle_timeout"): "off",
    ("cookie", "persistent"): True,
}

PROFILES: Final[Mapping[str, Mapping[Path, object]]] = {
    "balanced": {},
    "strict": {
        ("session", "ttl"): "8h",
        ("session", "remember_ttl"): "off",
        ("session", "idle_timeout"): "30m",
        _NAME: "__Host-doorward",
        ("cookie", "secure"): True,
        ("cookie", "samesite"): "strict",
        ("limits", "login"): ("5/15m",),
        ("limits", "otp_verify"): ("3/15m",),
        ("limits", "password_change"): ("3/15m",),
        ("headers", "frame"): "deny",
        ("headers", "xss_protection"): "zero",
        ("headers", "hsts", "include_subdomains"): True,
        ("registration", "mode"): "closed",
        ("mfa", "required"): "all",
        ("password", "min_length"): 12,
        ("api_keys", "max_lifetime"): "90d",
        ("api_keys", "default_lifetime"): "90d",
        ("api_keys", "sleep_after"): "30d",
    },
    "traefik-manager": {
        ("session", "ttl"): "7d",
        _NAME: "session",
        ("cookie", "secure"): False,
        ("limits", "login"): ("5/1m",),
        ("limits", "otp_verify"): ("5/1m",),
        ("limits", "mfa_manage"): ("10/1m",),
        ("limits", "password_change"): ("10/1m",),
        ("limits", "key_create"): ("5/1h",),
        ("api_keys", "hash"): "bcrypt",
        ("api_keys", "default_lifetime"): "off",
        ("headers", "frame"): "deny",
        ("headers", "hsts", "include_subdomains"): True,
        ("registration", "mode"): "closed",
    },
    "trek": {
        **_BY_AGE,
        _NAME: "trek_session",
        ("limits", "login"): ("10/15m",),
        ("limits", "otp_verify"): ("5/15m",),
        ("limits", "mfa_manage"): ("5/15m",),
        ("limits", "password_change"): ("5/15m",),
        ("limits", "key_create"): ("5/15m",),
        ("api_keys", "default_lifetime"): "off",
        ("headers", "csp"): "list",
        ("headers", "xss_protection"): "zero",
        ("registration", "mode"): "open",
    },
    "forward-auth": {
        **_BY_AGE,
        _NAME: "forward-auth-session",
        ("cookie", "secure"): True,
        ("storage", "type"): "local",
        ("registration", "mode"): "oidc_auto",
    },
    "billtracker": {
        **_BY_AGE,
        ("session", "ttl"): "7d",
        _NAME: "bt_session",
        ("cookie", "samesite"): "strict",
        ("csrf", "cookie_name"): "bt_csrf_token",
        ("limits", "login"): ("10/15m",),
        ("limits", "password_change"): ("5/15m",),
        ("limits", "oidc"): ("20/15m",),
        ("headers", "xss_protection"): "off",
        ("headers", "hsts", "include_subdomains"): True,
        ("registration", "mode"): "closed",
    },
    "tempo": {
        **_BY_AGE,
        ("session", "ttl"): "7d",
        _NAME: "authToken",
        ("limits", "login"): ("10/15m",),
        ("headers", "csp"): "self",
    },
}
"""Profile -> setting -> its value as it would be written in the file."""


def fill_profile(tree: dict[str, object], origins: dict[str, str]) -> None:
    """Give every setting that nobody has set the chosen profile's value. An unknown name is validation's to say."""
    name = tree.get("profile")
    if not isinstance(name, str):
        return
    for path, value in PROFILES.get(name, {}).items():
        if format_key(path) in origins:
            continue
        # Browsers refuse a `__Host-` cookie with a domain.
        shared = path == _NAME and get(tree, _DOMAIN) is not None
        put(tree, path, str(value).replace("__Host-", "__Secure-") if shared else value)
        origins[format_key(path)] = _ORIGIN + name


def is_from_profile(origin: str) -> bool:
    """Whether a setting of this origin has its value from a profile."""
    return origin.startswith(_ORIGIN)


def blame_profile(finding: Finding, origins: Mapping[str, str]) -> Finding:
    """Say which of the settings that a finding rests on have their values from a profile, for nobody wrote them."""
    places = [place for place in (finding.path, *finding.also) if is_from_profile(origins.get(place, ""))]
    if not places:
        return finding
    return replace(finding, message=f"{finding.message}; {origins[places[0]]} sets {' and '.join(places)}")
