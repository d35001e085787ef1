"""What a provider may lie about in a token, by name: `provider.lie(ID_TOKEN_LIES["no nonce"])`.

None of these tokens may ever become somebody. `LOGOUT_TOKEN_LIES` are for `make_logout_token`. The names say what is wrong;
the attack they belong to stands behind each group.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.keys import SigningKey, decode, encode, make_key
from tests.fakes.provider import Draft, Lie

GONE: Final = object()
"""Instead of a value: leave it out."""


def _claims(make: Callable[[Draft], Mapping[str, Any]]) -> Lie:
    def tell(draft: Draft) -> str:
        draft.claims = _merge(draft.claims, make(draft))
        return draft.sign()

    return tell


def _claim(**changes: Any) -> Lie:
    return _claims(lambda _draft: changes)


def _header(**changes: Any) -> Lie:
    def tell(draft: Draft) -> str:
        draft.header = _merge(draft.header, changes)
        return draft.sign()

    return tell


def _merge(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**old, **changes}.items() if value is not GONE}


def _hmac(size: int, form: Callable[[SigningKey], bytes]) -> Lie:
    """Signed with an HMAC whose key is the public key in one of its spellings."""

    def tell(draft: Draft) -> str:
        header = draft.header | {"alg": f"HS{size}"}
        signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(draft.claims).encode())}"
        algorithm = {256: hashes.SHA256, 384: hashes.SHA384, 512: hashes.SHA512}[size]()
        mac = hmac.HMAC(form(draft.key), algorithm)
        mac.update(signed.encode())
        return f"{signed}.{encode(mac.finalize())}"

    return tell


def _as_der(key: SigningKey) -> bytes:
    return key.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _as_ssh(key: SigningKey) -> bytes:
    return key.private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


_PUBLIC_KEY_FORMS: Final[Mapping[str, Callable[[SigningKey], bytes]]] = {
    "PEM": SigningKey.public_pem,
    "PEM after a line feed": lambda key: b"\n" + key.public_pem(),
    "PEM with CRLF": lambda key: key.public_pem().replace(b"\n", b"\r\n"),
    "PEM after a BOM": lambda key: b"\xef\xbb\xbf" + key.public_pem(),
    "PEM without its end": lambda key: key.public_pem().strip(),
    "DER": _as_der,
    "SSH": _as_ssh,
    "JWK": lambda key: json.dumps(key.public_jwk()).encode(),
    "nothing": lambda _key: b"\0",
}


def _unsigned(**header: Any) -> Lie:
    def tell(draft: Draft) -> str:
        return draft.key.sign(_merge(draft.header, header), draft.claims).rpartition(".")[0] + "."

    return tell


def _raw(change: Callable[[str, str], tuple[str, str]]) -> Lie:
    """The signature is right, over texts that are no JSON to be trusted."""

    def tell(draft: Draft) -> str:
        header, claims = change(json.dumps(draft.header), json.dumps(draft.claims))
        return draft.key.sign_raw(header.encode("utf-8", "surrogatepass"), claims.encode("utf-8", "surrogatepass"))

    return tell


def _shaped(shape: Callable[[str, str, str], str]) -> Lie:
    """Another form around the parts of a good token."""

    def tell(draft: Draft) -> str:
        return shape(*draft.sign().split("."))

    return tell


def _signature(change: Callable[[Draft, bytes], bytes]) -> Lie:
    def tell(draft: Draft) -> str:
        signed, _, signature = draft.sign().rpartition(".")
        return f"{signed}.{encode(change(draft, decode(signature)))}"

    return tell


def _another_key(draft: Draft) -> str:
    return make_key("ES256", "another").sign(draft.header | {"alg": "ES256"}, draft.claims)


def _own_key(draft: Draft) -> str:
    """Signed by a key of its own, which the header brings along."""
    key = make_key("ES256", "mine")
    jwk = {name: value for name, value in key.public_jwk().items() if name != "kid"}
    return key.sign({"alg": "ES256", "typ": "JWT", "jwk": jwk}, draft.claims)


def _fetched_key(draft: Draft) -> str:
    """Signed by a key that lies elsewhere."""
    return make_key("ES256", "mine").sign(
        {"alg": "ES256", "typ": "JWT", "jku": "https://evil.example/keys"}, draft.claims
    )


def _zip_bomb(draft: Draft) -> str:
    bomb = zlib.compress(b" " * 10_000_000)
    header = {"alg": "dir", "enc": "A128GCM", "zip": "DEF"}
    return f"{encode(json.dumps(header).encode())}..{encode(b'0' * 12)}.{encode(bomb)}.{encode(b'0' * 16)}"


def _costly(draft: Draft) -> str:
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31, "p2s": "AAAA"}
    return f"{encode(json.dumps(header).encode())}.AAAA.AAAA.AAAA.AAAA"


def _json_form(**members: Any) -> Lie:
    def tell(draft: Draft) -> str:
        header, claims, signature = draft.sign().split(".")
        known = {"header": header, "payload": claims, "signature": signature}
        return json.dumps({name: known.get(value, value) if isinstance(value, str) else value
                           for name, value in members.items()})  # fmt: skip

    return tell


ID_TOKEN_LIES: Final[Mapping[str, Lie]] = {
    # The nonce (H03)
    "no nonce": _claim(nonce=GONE),
    "another nonce": _claim(nonce="x" * 43),
    "a list of nonces": _claims(lambda draft: {"nonce": [draft.claims["nonce"]]}),
    "no nonce, which it says it cannot": _claim(nonce=GONE, nonce_supported=False),
    "an empty nonce": _claim(nonce=""),
    "a nonce in capitals": _claims(lambda draft: {"nonce": draft.claims["nonce"].upper() + " "}),
    # The subject (H11)
    "no sub": _claim(sub=GONE),
    "an empty sub": _claim(sub=""),
    "a number as sub": _claim(sub=1),
    "a list as sub": _claim(sub=["alice-1"]),
    "a sub of 300 letters": _claim(sub="a" * 300),
    "a sub with NUL": _claim(sub="alice-1\0"),
    "a sub outside ASCII": _claim(sub="аlice-1"),
    # The issuer (H14)
    "no iss": _claim(iss=GONE),
    "an iss cut short": _claims(lambda draft: {"iss": draft.claims["iss"][:-1]}),
    "a longer iss": _claims(lambda draft: {"iss": draft.claims["iss"] + ".evil.example"}),
    "an iss with a slash more": _claims(lambda draft: {"iss": draft.claims["iss"] + "/"}),
    "an iss in capitals": _claims(lambda draft: {"iss": draft.claims["iss"].upper()}),
    "a list as iss": _claims(lambda draft: {"iss": [draft.claims["iss"]]}),
    "an iss of another tenant": _claims(lambda draft: {"iss": draft.claims["iss"] + "/other"}),
    # The audience
    "no aud": _claim(aud=GONE),
    "another aud": _claim(aud="somebody-else"),
    "an aud cut short": _claims(lambda draft: {"aud": draft.claims["aud"][:-1]}),
    "an empty list as aud": _claim(aud=[]),
    "an aud for others too": _claims(lambda draft: {"aud": [draft.claims["aud"], "somebody-else"]}),
    "an aud for others too, made for them": _claims(
        lambda draft: {"aud": [draft.claims["aud"], "somebody-else"], "azp": "somebody-else"}
    ),
    "an aud with a number": _claims(lambda draft: {"aud": [draft.claims["aud"], 1], "azp": draft.claims["aud"]}),
    "another azp": _claim(azp="somebody-else"),
    "a list as azp": _claims(lambda draft: {"azp": [draft.claims["aud"]]}),
    # The times (H15)
    "no exp": _claim(exp=GONE),
    "an exp that is past": _claims(lambda draft: {"exp": draft.provider.now() - draft.provider.too_far}),
    "an exp in words": _claim(exp="2099"),
    "an exp below zero": _claim(exp=-1),
    "an exp of true": _claim(exp=True),
    "an exp of null": _claim(exp=None),
    "an exp with a fraction": _claims(lambda draft: {"exp": draft.provider.now() + 60.5}),
    "an exp in another age": _claims(lambda draft: {"exp": draft.provider.now() + 400 * 86400}),
    "an exp after the last year": _claim(exp=10**18),
    "no iat": _claim(iat=GONE),
    "an iat in the future": _claims(lambda draft: {"iat": draft.provider.now() + draft.provider.too_far}),
    "an nbf in the future": _claims(lambda draft: {"nbf": draft.provider.now() + draft.provider.too_far}),
    "an auth_time in the future": _claims(lambda draft: {"auth_time": draft.provider.now() + draft.provider.too_far}),
    "an auth_time in words": _claim(auth_time="now"),
    # What belongs together
    "another at_hash": _claim(at_hash="x" * 22),
    "a number as at_hash": _claim(at_hash=1),
    "a number as sid": _claim(sid=1),
    # The algorithm (I01, I02)
    **{f"alg {alg!r}": _unsigned(alg=alg) for alg in ("none", "None", "nOnE", "NONE", "", None, ["none"], ["RS256"])},
    **{f"alg {alg!r} with the signature": _header(alg=alg) for alg in ("none", "rs256", "", None, ["RS256"], "RS1")},
    "no alg": _header(alg=GONE),
    **{
        f"HS{size} with {name}": _hmac(size, form)
        for size in (256, 384, 512)
        for name, form in _PUBLIC_KEY_FORMS.items()
    },
    "alg of another family": _header(alg="PS256"),
    # Critical headers (I04)
    "crit unknown": _header(crit=["x"], x=1),
    "crit b64": _header(crit=["b64"], b64=False),
    "crit empty": _header(crit=[]),
    "crit no list": _header(crit="x"),
    "crit null": _header(crit=None),
    # The key's name (I05)
    "kid to a file": _header(kid="../../dev/null"),
    "kid to a query": _header(kid="' OR 1=1 --"),
    "kid of 10 kB": _header(kid="k" * 10_000),
    "kid a number": _header(kid=1),
    "kid a list": _header(kid=["key-1"]),
    "kid empty": _header(kid=""),
    "signed with a key it does not publish": _another_key,
    "signed with a key that it brings along": _own_key,
    "signed with a key that it says where to fetch": _fetched_key,
    # The form (I07, I08)
    "as flattened JSON": _json_form(protected="header", payload="payload", signature="signature"),
    "as JSON with no signatures": _json_form(payload="payload", signatures=[]),
    "as JSON with the header unprotected": _json_form(payload="payload", header={"alg": "none"}, signature=""),
    "encrypted, and a bomb": _zip_bomb,
    "encrypted, at a cost": _costly,
    "of two parts": _shaped(lambda header, claims, _: f"{header}.{claims}"),
    "of four parts": _shaped(lambda header, claims, signature: f"{header}.{claims}.{signature}.{signature}"),
    "with an empty signature": _shaped(lambda header, claims, _: f"{header}.{claims}."),
    "with padding": _shaped(lambda header, claims, signature: f"{header}.{claims}.{signature}=="),
    "with a space": _shaped(lambda header, claims, signature: f"{header}.{claims}. {signature}"),
    "with a line feed at the end": _shaped(lambda header, claims, signature: f"{header}.{claims}.{signature}\n"),
    "with a letter outside the alphabet": _shaped(
        lambda header, claims, signature: f"{header}.{claims}.+{signature[1:]}"
    ),
    # What the readers of JSON let through (I10)
    "a header key twice": _raw(lambda header, claims: (header[:-1] + ', "alg": "RS256"}', claims)),
    "a claim twice": _raw(lambda header, claims: (header, claims[:-1] + ', "sub": "bob-2"}')),
    "NaN as exp": _raw(lambda header, claims: (header, claims[:-1] + ', "x": NaN}')),
    "a number without end": _raw(lambda header, claims: (header, claims[:-1] + ', "x": 1e400}')),
    "100000 brackets": _raw(lambda header, claims: (header, claims[:-1] + f', "x": {"[" * 20_000}{"]" * 20_000}}}')),
    "5000 digits": _raw(lambda header, claims: (header, claims[:-1] + f', "x": {"9" * 5_000}}}')),
    "half a character": _raw(lambda header, claims: (header, claims[:-1] + ', "x": "\\ud800"}')),
    "half a character, raw": _raw(lambda header, claims: (header, claims[:-1] + ', "x": "\ud800"}')),
    "a BOM": _raw(lambda header, claims: ("\ufeff" + header, claims)),
    "claims that are a list": _raw(lambda header, _claims: (header, "[]")),
    "claims that are no JSON": _raw(lambda header, _claims: (header, "{")),
    "a header that is a word": _raw(lambda _header, claims: ('"RS256"', claims)),
    "more after the claims": _raw(lambda header, claims: (header, claims + "{}")),
    # The signature (I11)
    "a signature of zeros": _signature(lambda _draft, signature: bytes(len(signature))),
    "a signature cut short": _signature(lambda _draft, signature: signature[:-1]),
    "a signature one bit off": _signature(lambda _draft, signature: bytes([signature[0] ^ 1]) + signature[1:]),
    "a signature in DER": _signature(
        lambda _draft, raw: encode_dss_signature(
            int.from_bytes(raw[: len(raw) // 2]), int.from_bytes(raw[len(raw) // 2 :])
        )
    ),
    # The type (I13)
    "typ at+jwt": _header(typ="at+jwt"),
    "typ application/at+jwt": _header(typ="application/at+jwt"),
    "typ logout+jwt": _header(typ="logout+jwt"),
    "typ a number": _header(typ=1),
}


LOGOUT_TOKEN_LIES: Final[Mapping[str, Lie]] = {
    "with a nonce": _claim(nonce="n"),
    "no events": _claim(events=GONE),
    "events a list": _claim(events=["http://schemas.openid.net/event/backchannel-logout"]),
    "events of another kind": _claim(events={"http://schemas.openid.net/event/other": {}}),
    "the event no object": _claim(events={"http://schemas.openid.net/event/backchannel-logout": True}),
    "neither sub nor sid": _claim(sub=GONE, sid=GONE),
    "a bad sub beside a sid": _claim(sub=1),
    "an empty sid alone": _claim(sub=GONE, sid=""),
    "no jti": _claim(jti=GONE),
    "an empty jti": _claim(jti=""),
    "a number as jti": _claim(jti=1),
    "no exp": _claim(exp=GONE),
    "an exp that is past": _claims(lambda draft: {"exp": draft.provider.now() - draft.provider.too_far}),
    "an exp the day after tomorrow": _claims(lambda draft: {"exp": draft.provider.now() + 2 * 86400}),
    "no iat": _claim(iat=GONE),
    "an iat in the future": _claims(lambda draft: {"iat": draft.provider.now() + draft.provider.too_far}),
    "another aud": _claim(aud="somebody-else"),
    "an aud for others too": _claims(lambda draft: {"aud": [draft.claims["aud"], "somebody-else"]}),
    "another iss": _claim(iss="https://evil.example"),
    "typ at+jwt": _header(typ="at+jwt"),
    "alg 'none'": _unsigned(alg="none"),
    "HS256 with PEM": _hmac(256, SigningKey.public_pem),
    "a signature of zeros": _signature(lambda _draft, signature: bytes(len(signature))),
}  # (H24)
