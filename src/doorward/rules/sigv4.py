"""AWS Signature Version 4, for storage that speaks S3, whoever runs it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, and for what."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str
    service: str = "s3"


def quote_key(key: str) -> str:
    """The path of an object as S3 has it: everything but unreserved letters and slashes is escaped, once."""
    return quote(key, safe="/~")


def sign(
    signer: Signer, method: str, url: str, *, headers: Mapping[str, str], payload_hash: str, now: datetime
) -> dict[str, str]:
    """The headers to send: those given, when, and the signature. `url` has its path escaped; `host` is signed too.

    `payload_hash`: the SHA-256 of the body, in hex.
    """
    parts = urlsplit(url)
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): " ".join(value.split()) for name, value in headers.items()} | {"x-amz-date": stamp}
    if signer.service == "s3":
        sent["x-amz-content-sha256"] = payload_hash
    signed = {"host": parts.netloc, **sent}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            method,
            parts.path or "/",
            "&".join(sorted(part if "=" in part else f"{part}=" for part in parts.query.split("&") if part)),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            payload_hash,
        ]
    )
    scope = f"{stamp[:8]}/{signer.region}/{signer.service}/aws4_request"
    text = "\n".join([_ALGORITHM, stamp, scope, sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + signer.secret_key.encode()
    for word in scope.split("/"):
        key = _mac(key, word)
    credential = f"Credential={signer.access_key}/{scope}"
    given = {name: value for name, value in sent.items() if name != "host"}
    signature = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={_mac(key, text).hex()}"
    return {**given, "authorization": signature}


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), sha256).digest()
