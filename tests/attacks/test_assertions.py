"""Forged assertions at our own verifier (attacks I): by the function and both middlewares, with both algorithms."""

import base64
import hashlib
import hmac
import json
import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from doorward.verify import FixedKeys
from doorward.verify.keys import PublicKey
from tests.attacks.forger import ALGORITHMS, AUDIENCE, HOME, ISSUER, PATH, WAYS, Forger, Refused, b64

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
HUGE = 10_000


@pytest.fixture(params=ALGORITHMS, ids=lambda each: each.value)
def forger(request):
    return Forger(request.param)


@pytest.fixture(params=list(WAYS))
def take(request):
    return WAYS[request.param]


def refused(take, forger, *tokens, **more):
    for token in tokens:
        with pytest.raises(Refused):
            take(forger, token, **more)


def public_of(forger):
    members = json.loads(forger.public)
    raw = [base64.urlsafe_b64decode(members[name] + "=") for name in ("x", "y") if name in members]
    if len(raw) == 1:
        return ed25519.Ed25519PublicKey.from_public_bytes(raw[0])
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + raw[0] + raw[1])


def test_a_good_one_is_good(take, forger):
    """Or nothing here would prove anything."""
    assert take(forger, forger.token())["sub"] == "A" * 22


def test_one_without_a_signature_is_none(take, forger):
    """I01."""
    for name in ("none", "None", "nOnE", "NONE", "", None, ["none"], [forger.algorithm.value], {}, 0, True):
        header = forger.header(alg=name)
        refused(take, forger, forger.token(header), forger.token(header, sign=lambda _: b""))
    refused(take, forger, forger.token({"kid": forger.kid, "typ": "doorward-assertion+jwt"}))
    signed, _, _ = forger.token().rpartition(".")
    refused(take, forger, signed + ".", signed, signed + ".AA", ".".join([*signed.split("."), "", ""]))


def spellings(forger):
    """Everything public that somebody may have handed to an HMAC."""
    key = public_of(forger)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ssh = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    members = json.loads(forger.public)
    raw = [base64.urlsafe_b64decode(members[name] + "=") for name in ("x", "y") if name in members]
    told = json.loads(forger.key_set)
    yield from (
        pem,
        pem.strip(),
        b"\n" + pem,
        pem.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + pem,
        b" " + pem,
        pem + b"\0",
    )
    yield key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield from (ssh, ssh + b"\n", forger.public.encode(), forger.key_set, json.dumps(told["keys"][0]).encode())
    yield from (
        *raw,
        b"".join(raw),
        b"\x04" + b"".join(raw),
        *(members[name].encode() for name in ("x", "y") if name in members),
    )
    yield from (forger.kid.encode(), b"", b"\0" * 32)


def test_the_public_key_is_nobodys_secret(take, forger):
    """I02: in every spelling, with every HMAC; and it is no key of another algorithm either."""
    for secret in spellings(forger):
        for name, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):

            def sign(message, secret=secret, digest=digest):
                return hmac.new(secret, message, digest).digest()

            for alg in (name, forger.algorithm.value):
                refused(take, forger, forger.token(forger.header(alg=alg), sign=sign))
    others = {
        "EdDSA",
        "Ed25519",
        "Ed448",
        "ES256",
        "ES256K",
        "ES384",
        "ES512",
        "RS256",
        "PS256",
        "eddsa",
        "es256",
        "EdDSA ",
    }
    for other in others - {forger.algorithm.value}:
        refused(take, forger, forger.token(forger.header(alg=other)))


@pytest.mark.parametrize("kty", ["oct", "RSA"])
def test_a_set_with_other_kinds_of_keys_gives_none_of_them(take, forger, kty):
    """I02: not even one that says it is for the algorithm we expect."""
    key = {"kty": kty, "k": b64(b"secret" * 8), "n": b64(b"\xff" * 256), "e": "AQAB"}
    keys = FixedKeys(json.dumps({"keys": [{**key, "kid": forger.kid, "alg": forger.algorithm.value, "use": "sig"}]}))
    refused(take, forger, forger.token(), keys=keys)


def test_nothing_critical_is_understood(take, forger):
    """I04: and nothing else may stand in the header, a key of its own least of all."""
    jwk = json.loads(forger.key_set)["keys"][0]
    for more in (
        {"crit": ["x"], "x": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": "exp"},
        {"crit": None},
        {"b64": True},
        {"jwk": jwk},
        {"jku": "https://evil.test/jwks.json"},
        {"x5u": "https://evil.test/"},
        {"x5c": ["AAAA"]},
        {"cty": "JWT"},
        {"zip": "DEF"},
    ):
        refused(take, forger, forger.token(forger.header(**more)))


def test_a_key_is_found_by_exactly_its_name(take, forger):
    """I05."""
    names = (
        "../../dev/null",
        "' OR 1=1 --",
        "k" * HUGE,
        "",
        7,
        None,
        [forger.kid],
        {},
        True,
        forger.kid.lower(),
        forger.kid + "\0",
    )
    for name in names:
        refused(take, forger, forger.token(forger.header(kid=name)))
    header = forger.header()
    del header["kid"]
    refused(take, forger, forger.token(header))


def test_two_keys_of_one_name_are_none(take, forger):
    """I05: whatever kinds they are of, and in whatever order."""
    own, other = (json.loads(each.key_set)["keys"][0] for each in (forger, Forger(forger.algorithm, "other")))
    for twin in ({**other, "kid": forger.kid}, {"kty": "oct", "k": "AAAA", "kid": forger.kid, "alg": "HS256"}):
        for keys in ([own, twin], [twin, own]):
            refused(take, forger, forger.token(), keys=FixedKeys(json.dumps({"keys": keys})))


def test_a_key_of_somebody_else_is_none(take, forger):
    stranger = Forger(forger.algorithm, "stranger")
    refused(take, forger, stranger.token(), stranger.token(forger.header()))
    own = json.loads(forger.key_set)["keys"][0]
    for changes in (
        {"d": b64(forger.secret)},
        {"use": "enc"},
        {"use": None},
        {"alg": None},
        {"crv": "P-521"},
        {"x": "AA"},
        {"x": 7},
    ):
        refused(take, forger, forger.token(), keys=FixedKeys(json.dumps({"keys": [{**own, **changes}]})))


def test_a_key_for_another_algorithm_is_none_whatever_it_is_called(take, forger):
    """I02, I05: and what is no key at all stands in nobody's way."""
    own = json.loads(forger.key_set)["keys"][0]
    (other,) = (Forger(each) for each in ALGORITHMS if each is not forger.algorithm)
    twin = {**json.loads(other.key_set)["keys"][0], "kid": forger.kid}
    refused(take, forger, forger.token(), forger.token(sign=other.sign), keys=FixedKeys(json.dumps({"keys": [twin]})))
    odd = [7, None, [], {}, {"kid": forger.kid[1:]}, {**own, "kid": "another", "x": "!!"}]
    assert take(forger, forger.token(), keys=FixedKeys(json.dumps({"keys": [*odd, own]})))


def test_there_is_one_serialisation(take, forger):
    """I07."""
    protected, payload, signature = forger.token().split(".")
    one = {"protected": protected, "signature": signature}
    for form in (
        {"payload": payload, "signatures": []},
        {"payload": payload, "signatures": [one]},
        {"payload": payload, "signatures": [{**one, "signature": "AA"}, one]},
        {"payload": payload, **one},
        {"payload": payload, "protected": "", "header": {"alg": "none"}, "signature": ""},
        [forger.token()],
    ):
        refused(take, forger, json.dumps(form))
    token = forger.token()
    refused(
        take,
        forger,
        "",
        " ",
        ".",
        "..",
        token + ".",
        "." + token,
        token + "=",
        f" {token}",
        f"{token}\n",
        f"Bearer {token}",
    )
    refused(take, forger, f"{token},{token}", token.replace(".", "\0."), token + "é", b"\xff\xfe" + token.encode())


def test_nothing_encrypted_is_opened(take, forger):
    """I08: five parts are counted, and nothing in them is decoded."""
    bomb = zlib.compress(b"\0" * 10_000_000)
    for header in (
        {"alg": "dir", "enc": "A256GCM", "zip": "DEF"},
        {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31, "p2s": "AAAA"},
        {"alg": "RSA1_5", "enc": "A128CBC-HS256"},
    ):
        refused(
            take,
            forger,
            ".".join([b64(json.dumps(header).encode()), b64(b"k" * 32), b64(b"i" * 12), b64(bomb), b64(b"t" * 16)]),
        )
    refused(take, forger, forger.token(claims=zlib.compress(json.dumps(forger.claims()).encode())))
    refused(take, forger, forger.token(claims=forger.claims(name="x" * 20_000)))


def quirks(text):
    """One JSON object with everything a lenient reader lets through, after another."""
    inside = text[1:-1]
    deep = "[" * 100_000 + "]" * 100_000
    for more in (
        '"a":NaN',
        '"a":Infinity',
        '"a":1e999',
        '"a":1.5',
        f'"a":{"9" * 5000}',
        f'"a":{deep}',
        r'"a":"\ud800"',
        '"a":1,"a":2',
    ):
        yield "{" + inside + "," + more + "}"
    yield "{" + inside + "," + inside + "}"
    yield "[" + text + "]"
    yield from (text + "x", text + text, "", "null", "7", '"text"', text[:-1], "\ufeff" + text)


def test_there_is_one_reading_of_every_text(take, forger):
    """I10: in the header, in the claims, and in the set of keys."""
    for text in quirks(json.dumps(forger.header())):
        refused(take, forger, forger.token(text.encode()))
    for text in quirks(json.dumps(forger.claims())):
        refused(take, forger, forger.token(claims=text.encode()))
    refused(take, forger, forger.token(claims=b"\xff" + json.dumps(forger.claims()).encode()))
    for text in quirks(forger.key_set.decode()):
        with pytest.raises(Exception, match=r".") as caught:
            FixedKeys(text)
        assert type(caught.value).__name__ == "RefusedError"


def test_each_part_has_one_spelling(take, forger):
    """I10: bits that no byte needs, padding, and the other alphabet."""
    header, payload, signature = forger.token().split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 64 bytes leave four bits of the last character unused.
    other = signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
    refused(take, forger, f"{header}.{payload}.{other}", f"{header}.{payload}.{signature}==")
    refused(
        take, forger, f"{header}.{payload}.{signature[:10]}+/{signature[12:]}", f"{header}.{payload}.{signature[:-1]}"
    )
    # What no header should hold at all, in each of the parts: refused, and nothing worse.
    for odd in ("\xe9", "\x80", "\xff", "\n", "\x00"):
        for at in range(3):
            parts = [header, payload, signature]
            parts[at] += odd
            refused(take, forger, ".".join(parts), ".".join(parts).encode("latin-1"))


def test_a_signature_of_zeros_or_in_another_form_is_none(take, forger):
    """I11."""
    for r, s in ((0, 0), (0, 1), (1, 0), (ORDER, ORDER), (ORDER, 0), (1, 1), (ORDER - 1, ORDER - 1)):
        refused(take, forger, forger.token(sign=lambda _, r=r, s=s: r.to_bytes(32) + s.to_bytes(32)))
    key = ec.derive_private_key(int.from_bytes(forger.secret) % (ORDER - 1) + 1, ec.SECP256R1())
    refused(take, forger, forger.token(sign=lambda message: key.sign(message, ec.ECDSA(SHA256()))))
    refused(take, forger, forger.token(sign=lambda _: encode_dss_signature(1, 1)))
    for length in (0, 1, 63, 65, 96, 128):
        refused(take, forger, forger.token(sign=lambda message, length=length: (forger.sign(message) * 2)[:length]))
    longer = ec.derive_private_key(7, ec.SECP384R1())
    refused(take, forger, forger.token(sign=lambda message: longer.sign(message, ec.ECDSA(SHA256()))))


def test_a_key_that_is_none_verifies_nothing(forger):
    """I11: points that are on no curve, and what is no key at all."""
    for members in ({"x": b64(b"\xff" * 32), "y": b64(b"\xff" * 32)}, {"x": b64(b"\0" * 31), "y": b64(b"\0" * 32)}, {}):
        kind = {"EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256")}[forger.algorithm.value]
        key = PublicKey(forger.kid, forger.algorithm.value, {"kty": kind[0], "crv": kind[1], **members})
        assert not key.verifies(b"message", forger.sign(b"message"))


@pytest.mark.parametrize(
    "kind",
    [
        "JWT",
        "at+jwt",
        "logout+jwt",
        "Doorward-Assertion+JWT",
        "application/jwt",
        "",
        None,
        7,
        ["doorward-assertion+jwt"],
    ],
)
def test_a_token_of_another_type_is_none(take, forger, kind):
    """I13, I14: even one that our key has signed."""
    refused(take, forger, forger.token(forger.header(typ=kind)))
    header = forger.header()
    del header["typ"]
    refused(take, forger, forger.token(header))


def test_what_was_made_for_something_else_opens_nothing(take, forger):
    """I14: our own other blobs, and those for other apps, other requests and other gateways."""
    refused(take, forger, "dw_abcdefghijkl_secret_checksum", "v1.AAAA.BBBB", forger.key_set.decode())
    for changes in (
        {"iss": "https://auth.example.test/"},
        {"iss": "https://evil.test"},
        {"iss": [ISSUER]},
        {"aud": "wiki"},
        {"aud": [AUDIENCE]},
        {"aud": [AUDIENCE, "NAS"]},
        {"aud": ""},
        {"aud": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": None},
        {"htm": "POST"},
        {"htm": "get"},
        {"htm": ["GET"]},
        {"htu": HOME},
        {"htu": HOME + PATH + "/"},
        {"htu": "http://wiki.example.test/page"},
        {"htu": "https://wiki.example.test:444/page"},
        {"htu": "https://nas.example.test/page"},
        {"htu": "https://x@wiki.example.test/page"},
        {"htu": "https://wiki.example.test:x/page"},
        {"htu": [HOME + PATH]},
        {"htu": PATH},
        {"htu": 7},
    ):
        refused(take, forger, forger.token(claims=forger.claims(**changes)))
    for name in ("iss", "aud", "sub", "htm", "htu", "iat", "exp"):
        claims = forger.claims()
        del claims[name]
        refused(take, forger, forger.token(claims=claims))


def test_it_is_good_for_a_minute_and_no_longer(take, forger):
    at = forger.now
    for times in (
        {"iat": at - 120, "exp": at - 60},
        {"iat": at + 30, "exp": at + 60},
        {"exp": at + 61},
        {"iat": at - 3600, "exp": at + 60},
        {"exp": at},
        {"iat": at + 60, "exp": at},
        {"nbf": at + 30},
        {"iat": str(at)},
        {"exp": str(at + 60)},
        {"exp": None},
        {"exp": True},
        {"nbf": None},
        {"nbf": [at]},
        {"exp": at + 0.5},
        {"exp": 10**19},
        {"iat": -1, "exp": 59},
    ):
        refused(take, forger, forger.token(claims=forger.claims(**times)))
    assert take(forger, forger.token(claims=forger.claims(nbf=at)))


def test_it_is_good_for_one_request(take, forger):
    token = forger.token(claims=forger.claims(htm="POST"))
    assert take(forger, token, method="POST")
    refused(take, forger, token, method="PUT")
    refused(take, forger, forger.token(), path="/pag")
    refused(take, forger, forger.token(), path="/page/more")
    refused(take, forger, forger.token(), method="HEAD")
    # Parsers of addresses leave these out without a word, and the app behind may not.
    for more in ("#", "#/more", "\t", "\n/more", "\r", "\x00", " ", "\x7f"):
        refused(take, forger, forger.token(), path=PATH + more)


def test_what_is_verified_for_one_is_believed_for_no_other(take, forger):
    """I16: nothing is remembered but keys, and those by their whole name; the same token is judged anew each time."""
    token, stranger = forger.token(), Forger(forger.algorithm, "stranger")
    keys = FixedKeys(forger.key_set)
    assert take(forger, token, keys=keys)
    refused(take, forger, token, keys=FixedKeys(stranger.key_set))
    refused(take, forger, token, keys=keys, path="/other")
    assert take(forger, token, keys=keys)
    # A name that is the beginning of another, or the two halves of one cut elsewhere.
    refused(take, forger, forger.token(forger.header(kid=forger.kid[:-1])), keys=keys)


@pytest.mark.parametrize("way", ["ASGI", "WSGI"])
def test_there_is_exactly_one_header(forger, way):
    """I07: none is nobody, and two are nobody either, whichever is good."""
    take, token = WAYS[way], forger.token()
    for tokens in ((), ("",), (token, token), (token, ""), ("", token), (token, "x")):
        with pytest.raises(Refused):
            take(forger, *tokens)
