"""Passwords that were hashed elsewhere are checked as they are there, and what would cost too much is refused."""

import asyncio
import base64
import hashlib
import threading

import pytest

from doorward.errors import InputError, UnavailableError
from doorward.interfaces import Verified
from doorward.outside import hasher as module
from doorward.outside.hasher import PooledHasher
from doorward.rules.password_hash import (
    Argon2Hash,
    BcryptSha256Hash,
    OwnHash,
    Pbkdf2Hash,
    ScryptHash,
    ShaCryptHash,
    parse_foreign,
    read_hash,
)
from tests.fakes.system import FakeRandom

# Made by other programs: the vectors of their documentation, and what crypt(3) answers.
FROM_ELSEWHERE = {
    "$2b$04$aII.dPu9tnn9tgD1Bn1FT.Mc.bWUy16EBQhTpQiqCuCo.E3jf.2TO": "hello",
    "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2": "password",
    "$argon2id$v=19$m=65536,t=3,p=2$BpLnfgDsc2WD8F2q$o/vzA4myCqZZ36bUGsDY//8mKUYNZZaR0t4MFFSs+iM": "password",
    "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44": "password",
    "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E": "password",
    "$6$rounds=500000$jgiCMRyGXzoqpxS3$w2pJeZnnH8bwW3zzvoMWtTRfQYsHbWbD/hquuQ5vUeIyl9gdwBIt6RWk2S6afBA0DPakbeWgD/4SZPiS0hYtU/": "password",
    "$6$rounds=5000$abcdefghijklmnop$U6tillOpzin2QVzzWvyV22VlP/54LdfoPQ.aDCTXGrxohGUhwWompdp34pxrmSTJI.A2niUOziGMwLwZYNIIh/": "Tr4vel-by-Night!",
}
KEY32, SALT = "A" * 43, "A" * 22
SHA512 = "." * 86


@pytest.fixture
def hasher():
    made = PooledHasher(FakeRandom(), cost=4)
    yield made
    made.close()


@pytest.mark.parametrize("text", FROM_ELSEWHERE)
async def test_a_password_that_was_hashed_elsewhere_is_right_here_and_due_to_be_hashed_anew(hasher, text):
    """A-15."""
    stored = parse_foreign(text)
    password = FROM_ELSEWHERE[text]
    assert await hasher.verify(password, stored) == Verified(right=True, needs_rehash=text[:7] != "$2b$04$")
    assert await hasher.verify(password + "x", stored) == Verified(right=False)


def encode(raw):
    return base64.b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize("name", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("password", ["", "ünï", "x" * 1023, "nul\0inside"])
async def test_every_digest_of_pbkdf2_is_known(hasher, name, password):
    made = hashlib.pbkdf2_hmac(name, password.encode(), b"salted-well", 10)
    kind = "pbkdf2" if name == "sha1" else f"pbkdf2-{name}"
    text = f"${kind}$10${encode(b'salted-well')}${encode(made)}".replace("+", ".")
    assert (await hasher.verify(password, parse_foreign(text))).right
    assert not (await hasher.verify(password + "y", parse_foreign(text))).right


@pytest.mark.parametrize(
    "text",
    [
        "$5$rounds=1400$anotherlongsalts$KSXHsxapk1Zpmc6O/ffqnUUeaIRPLCeRDjZ78KOJ8X1",
        "$6$ab$" + SHA512,
    ],
)
async def test_a_wrong_hash_of_crypt_is_wrong(hasher, text):
    assert not (await hasher.verify("", parse_foreign(text))).right


@pytest.mark.parametrize("kind", ["I", "D"])
async def test_the_other_kinds_of_argon2_are_known(hasher, kind):
    from argon2 import low_level

    text = low_level.hash_secret(
        b"right", b"salted-well", time_cost=1, memory_cost=8, parallelism=1, hash_len=16, type=low_level.Type[kind]
    ).decode()
    assert await hasher.verify("right", parse_foreign(text)) == Verified(right=True, needs_rehash=True)
    assert await hasher.verify("wrong", parse_foreign(text)) == Verified(right=False)


async def test_what_scrypt_itself_does_not_allow_is_never_right(hasher):
    assert not (await hasher.verify("a", f"scrypt$ln=16,r=1,p=1${SALT}${KEY32}")).right


COSTLY = [
    "$2b$16$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm",
    "$2b$03$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm",
    "$bcrypt-sha256$v=2,t=2b,r=31$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
    f"$argon2id$v=19$m=4194304,t=1,p=1${SALT}${KEY32}",
    f"$argon2d$v=19$m=262145,t=1,p=1${SALT}${KEY32}",
    f"$argon2id$v=19$m=262144,t=5,p=1${SALT}${KEY32}",
    f"$argon2i$v=19$m=65536,t=99,p=1${SALT}${KEY32}",
    f"$pbkdf2-sha512$1500001${SALT}${KEY32}",
    f"$scrypt$ln=22,r=1,p=1${SALT}${KEY32}",
    f"$scrypt$ln=17,r=8,p=3${SALT}${KEY32}",
    f"$scrypt$ln=99,r=8,p=1${SALT}${KEY32}",
    f"$scrypt$ln=16,r=8,p=9999${SALT}${KEY32}",
    f"$6$rounds=999999999$salt${SHA512}",
    f"$6$rounds=500001$salt${SHA512}",
]
DAMAGED = [
    "$2b$12$short",
    f"$argon2id$v=16$m=65536,t=3,p=4${SALT}${KEY32}",
    f"$argon2id$v=19$m=65536,t=1000000,p=4${SALT}${KEY32}",
    f"$pbkdf2-sha512$0${SALT}${KEY32}",
    f"$pbkdf2-md5$1000${SALT}${KEY32}",
    f"$pbkdf2-sha1$1000${SALT}${KEY32}",  # longer than one digest
    f"$pbkdf2-sha512$1000$AAAAA${KEY32}",
    f"$pbkdf2-sha512$1000${SALT}${'A' * 41}",
    f"$scrypt$ln=0,r=8,p=1${SALT}${KEY32}",
    f"$scrypt$ln=16,r=8,p=1$AAAAA${KEY32}",
    f"$scrypt$ln=16,r=8,p=1${SALT}${'A' * 41}",
    f"$6$rounds=1$salt${SHA512}",
    f"$6$salt${'.' * 43}",
    f"$5$salt${SHA512}",
    f"$6${'s' * 17}${SHA512}",
    "$y$j9T$abc$def",
    "$plaintext$secret",
    "Tr4vel-by-Night!",
    "",
    "$2b$" + "x" * 600,
]


@pytest.mark.parametrize("text", COSTLY + DAMAGED)
async def test_what_cannot_be_checked_or_would_cost_too_much_is_refused(text):
    with pytest.raises(InputError):
        parse_foreign(text)


@pytest.mark.parametrize("text", COSTLY)
async def test_what_would_cost_too_much_is_refused_with_what_to_do(text):
    with pytest.raises(InputError, match="take it out of the file, and set a new password afterwards"):
        parse_foreign(text)


@pytest.mark.parametrize("text", COSTLY)
async def test_what_would_cost_too_much_costs_nothing_in_the_records_either(hasher, monkeypatch, text):
    monkeypatch.setattr(module, "_verify_foreign", lambda *_: pytest.fail("it was checked"))
    for stored in (text.removeprefix("$"), "bcrypt" + text, text.replace("$6$", "sha512-crypt$")):
        assert await hasher.verify("a", stored) == Verified(right=False)


@pytest.mark.parametrize("foreign", [f"$6$rounds=5000$salt${SHA512}", f"$argon2id$v=19$m=8,t=1,p=1${SALT}${KEY32}"])
async def test_own_sign_ins_never_wait_for_what_others_have_made(monkeypatch, foreign):
    """E15: its thread is busy and its queue is full, and ours is open."""
    hold = threading.Event()

    def wait(*_):
        hold.wait(60)
        return False

    monkeypatch.setattr(module, "_verify_foreign", wait)
    monkeypatch.setattr("argon2.low_level.verify_secret", wait)
    hasher = PooledHasher(FakeRandom(), cost=4, threads=1, queue=2)
    try:
        stored = await hasher.hash("right")
        waiting = [asyncio.ensure_future(hasher.verify("x", parse_foreign(foreign))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError):
            await hasher.verify("x", parse_foreign(foreign))
        assert hasher.queued() == 2
        assert (await hasher.verify("right", stored)).right
        hold.set()
        assert await asyncio.gather(*waiting) == [Verified(right=False)] * 3
    finally:
        hold.set()
        hasher.close()


def test_every_kind_is_read_as_what_it_is():
    kinds = [read_hash(parse_foreign(text)) for text in FROM_ELSEWHERE]
    assert [type(kind) for kind in kinds] == [
        OwnHash,
        BcryptSha256Hash,
        OwnHash,
        Pbkdf2Hash,
        ScryptHash,
        ShaCryptHash,
        ShaCryptHash,
    ]
    assert isinstance(read_hash(f"argon2d$v=19$m=8,t=1,p=1${SALT}${KEY32}"), Argon2Hash)


def test_no_hash_shows_when_it_is_printed():
    for text in FROM_ELSEWHERE:
        assert text[-20:] not in repr(read_hash(parse_foreign(text)))
