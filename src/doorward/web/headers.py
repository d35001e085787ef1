"""The security headers of every answer of ours (D-28..D-33, E-83..E-87; attacks K08, K14, K15).

Pages bring their own Content-Security-Policy with a nonce; everything else gets the policy without one. What an answer
has already set is kept, so a static file may be cached and a page may have its nonce.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders = list[tuple[bytes, bytes]]
_FRAMED = (b"x-frame-options", b"")

_PERMISSIONS = ", ".join(
    f"{feature}=()" for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
)


@dataclass(frozen=True, slots=True)
class HeaderPolicy:
    """What the operator may choose. `hsts_seconds` is None wherever the public address is not https (D-33).

    `frame` is "SAMEORIGIN" or "DENY"; `xss_protection` a value no present browser acts on, kept because E-85 names it,
    or "" for none. A `referrer` of "no-referrer" would make browsers send `Origin: null` with our own forms.

    `content` is the kind of the Content-Security-Policy of pages: by nonce, TREK's list (B-30 to B-34), or Tempo's one
    directive (E-87). All our styles and scripts are files of ours, so that pages are the same under each. `upgrade`:
    have browsers ask for everything by https (B-35).
    """

    hsts_seconds: int | None = None
    hsts_subdomains: bool = False
    frame: str = "SAMEORIGIN"
    xss_protection: str = "1; mode=block"
    referrer: str = "strict-origin-when-cross-origin"
    content: Literal["nonce", "list", "self"] = "nonce"
    upgrade: bool = False

    def base(self) -> RawHeaders:
        """What every answer carries, whatever it is."""
        headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", self.frame.encode("ascii")),
            (b"referrer-policy", self.referrer.encode("ascii")),
            (b"x-permitted-cross-domain-policies", b"none"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"permissions-policy", _PERMISSIONS.encode("ascii")),
        ]
        if self.xss_protection:
            headers.append((b"x-xss-protection", self.xss_protection.encode("ascii")))
        if self.hsts_seconds is not None:
            value = f"max-age={self.hsts_seconds}" + ("; includeSubDomains" if self.hsts_subdomains else "")
            headers.append((b"strict-transport-security", value.encode("ascii")))
        return headers

    def content_policy(self, *, nonce: str = "", framed_by: str = "", has_style: bool = False) -> bytes:
        """The Content-Security-Policy of our own pages.

        `framed_by`: the one origin elsewhere that may frame it. `has_style`: its style sheet stands in the page, which
        takes a nonce whatever was chosen.
        """
        own = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
        ancestors = framed_by or ("'none'" if self.frame == "DENY" else "'self'")
        shut = f"object-src 'none'; frame-src 'none'; frame-ancestors {ancestors}; base-uri 'none'; form-action 'self'"
        match "nonce" if has_style else self.content:
            case "nonce":
                policy = f"default-src 'self'; script-src {own}; style-src {own}; img-src 'self' data:; {shut}"
            case "list":
                policy = f"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:; {shut}"
            case _:
                # Who may frame it is said by X-Frame-Options alone, which a page for one other origin goes without.
                policy = f"default-src 'self'; frame-ancestors {framed_by}" if framed_by else "default-src 'self'"
        return (policy + ("; upgrade-insecure-requests" if self.upgrade else "")).encode("ascii")

    def gate_headers(self, *, style: str = "") -> RawHeaders:
        """What the gate's answers to a visitor (303, 401, 403) carry.

        They are shown under the app's own address, where "self" is the app: so no script may run at all, and the one
        inline style sheet (`style`, as it stands in the page) is allowed by its hash.
        """
        allowed = style_hash(style) if style else "'none'"
        ancestors = "'none'" if self.frame == "DENY" else "'self'"
        policy = (
            f"default-src 'self'; script-src 'none'; style-src {allowed}; img-src data:; connect-src 'none'; "
            f"object-src 'none'; frame-src 'none'; frame-ancestors {ancestors}; base-uri 'none'; form-action 'none'"
        )
        return [
            *self.base(),
            (b"content-security-policy", policy.encode("ascii")),
            (b"cache-control", b"no-store"),
        ]


def style_hash(style: str) -> str:
    """The CSP source expression for one inline style sheet."""
    digest = hashlib.sha256(style.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


class SecureHeaders:
    """Adds what an answer has not set itself. Outermost, so that errors, redirects and static files have it too.

    An answer that sets `X-Frame-Options` to nothing goes without: that header can name no other origin, and only the
    answer's own Content-Security-Policy then says who may frame it.
    """

    def __init__(self, app: ASGIApp, policy: HeaderPolicy) -> None:
        self._app = app
        self._defaults = [
            *policy.base(),
            (b"content-security-policy", policy.content_policy()),
            (b"cache-control", b"no-store"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve through the app within."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = complete(message.get("headers", ()), self._defaults)
                message = {**message, "headers": [pair for pair in headers if pair != _FRAMED]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def complete(headers: Iterable[tuple[bytes, bytes]], defaults: RawHeaders) -> RawHeaders:
    """`headers`, and of `defaults` those whose name is not there yet."""
    own = [(name.lower(), value) for name, value in headers]
    names = {name for name, _ in own}
    return own + [(name, value) for name, value in defaults if name not in names]
