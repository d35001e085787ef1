"""A sealed value opens where it was sealed for, unchanged, under a key we hold; else it is refused, never empty."""

import base64

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from doorward.errors import TamperError
from doorward.rules import envelope
from doorward.rules.envelope import Place

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PLACE = Place("passwords", "sealed", "alice")
NONCE = b"\x07" * 12


def keys(*held):
    return {envelope.key_id(key): key for key in held}


def sealed(plaintext=b"secret", place=PLACE, key=KEY):
    return envelope.seal(key, place, plaintext, installation="here", entropy=NONCE)


def unseal(held, place, value, installation="here", **how):
    return envelope.unseal(held, place, value, installation=installation, **how)


@pytest.mark.parametrize("plaintext", [b"", b"x", b"\x00" * 5000])
def test_what_was_sealed_opens(plaintext):
    assert unseal(keys(KEY), PLACE, sealed(plaintext)) == plaintext
    assert unseal(keys(OTHER, KEY), PLACE, sealed(plaintext)) == plaintext


def test_the_form_names_the_key_and_hides_the_text():
    """`gcm2:<kid>:<base64>` (B-03)."""
    prefix, kid, box = sealed().split(":")
    assert (prefix, kid) == ("gcm2", envelope.key_id(KEY))
    assert len(kid) == 16
    assert "=" not in box
    assert KEY.hex() not in sealed()


@pytest.mark.parametrize(
    "place",
    [
        Place("passwords", "sealed", "bob"),
        Place("passwords", "other", "alice"),
        Place("other", "sealed", "alice"),
        Place("passwordss", "ealed", "alice"),
        Place("passwords", "sealeda", "lice"),
    ],
)
def test_a_value_moved_to_another_place_does_not_open(place):
    """Table, column and row are bound in (M01)."""
    with pytest.raises(TamperError):
        unseal(keys(KEY), place, sealed())


def test_a_value_under_a_lost_key_is_refused():
    """Undecryptable is an error, never "not there" (T-04, A-16)."""
    with pytest.raises(TamperError, match="not sealed under a key we hold"):
        unseal(keys(OTHER), PLACE, sealed())
    with pytest.raises(TamperError):
        unseal({envelope.key_id(KEY): OTHER}, PLACE, sealed())


def test_every_changed_character_is_noticed():
    value = sealed()
    for position, letter in enumerate(value):
        changed = value[:position] + ("A" if letter != "A" else "B") + value[position + 1 :]
        with pytest.raises(TamperError):
            unseal(keys(KEY), PLACE, changed)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "secret",
        "gcm2::",
        "gcm2:" + envelope.key_id(KEY) + ":",
        "gcm2:" + envelope.key_id(KEY) + ":AAAA",
        "gcm2:" + envelope.key_id(KEY) + ":A",
        sealed()[:-1],
        sealed() + "A",
        sealed() + "=",
        sealed() + "\n",
        sealed().upper(),
        "gcm1" + sealed()[4:],
    ],
)
def test_what_nobody_sealed_is_refused(value):
    with pytest.raises(TamperError):
        unseal(keys(KEY), PLACE, value)


def test_another_spelling_of_the_same_bytes_is_refused():
    """Base64 has several last characters for the same bytes; we wrote one."""
    value = sealed(b"seven..")
    last = value[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(value.split(":")[2]) % 4 != 0
    for letter in alphabet:
        if letter != last:
            with pytest.raises(TamperError):
                unseal(keys(KEY), PLACE, value[:-1] + letter)


def test_purposes_have_keys_of_their_own():
    """Never derived from one another (A-16, T-18)."""
    derived = {envelope.derive(KEY, purpose) for purpose in ("csrf", "device", "seal/csrf.")} | {
        envelope.derive(OTHER, "csrf")
    }
    assert len(derived) == 4
    assert {len(key) for key in derived} == {32}
    assert envelope.derive(KEY, "csrf") == envelope.derive(KEY, "csrf")
    assert envelope.key_id(KEY) != envelope.key_id(OTHER)


def test_a_key_or_nonce_of_another_size_is_a_fault_of_ours():
    with pytest.raises(ValueError, match="12 bytes"):
        envelope.seal(KEY, PLACE, b"", installation="", entropy=b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        envelope.seal(KEY[:16], PLACE, b"", installation="", entropy=NONCE)


def test_a_value_of_another_database_does_not_open():
    """M01: not under the same master key either."""
    with pytest.raises(TamperError, match="changed or moved"):
        unseal(keys(KEY), PLACE, sealed(), installation="there")


def older(place=PLACE):
    """As it was sealed before the installation was bound in."""
    kid = envelope.key_id(KEY)
    bound = b"".join(
        len(part).to_bytes(4, "big") + part.encode() for part in (place.table, place.column, place.row, kid)
    )
    box = AESGCM(envelope.derive(KEY, f"seal/{place.table}.{place.column}")).encrypt(NONCE, b"secret", bound)
    return f"gcm1:{kid}:{base64.urlsafe_b64encode(NONCE + box).rstrip(b'=').decode()}"


def test_the_form_before_opens_only_while_it_is_sealed_anew():
    """M04: neither is taken for the other."""
    assert unseal(keys(KEY), PLACE, older(), reads_older=True) == b"secret"
    with pytest.raises(TamperError, match="not sealed under a key we hold"):
        unseal(keys(KEY), PLACE, older())
    for value in ("gcm2" + older()[4:], "gcm1" + sealed()[4:]):
        with pytest.raises(TamperError):
            unseal(keys(KEY), PLACE, value, reads_older=True)
    with pytest.raises(TamperError):
        unseal(keys(KEY), Place("passwords", "sealed", "bob"), older(), reads_older=True)
