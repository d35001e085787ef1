"""What we write of age, another implementation reads, and the other way round."""

import io
import os

import pyrage
import pytest

from doorward.errors import InputError
from doorward.outside.age import CHUNK, AgeWriter, public_of, read_age
from doorward.rules.age_key import parse_identity, parse_recipient
from doorward.rules.backup import Openers, Readers
from tests.fakes.system import FakeRandom

IDENTITY = pyrage.x25519.Identity.generate()
OURS = Openers(identities=(parse_identity(str(IDENTITY)),))


def written(data, readers):
    out = bytearray()
    writer = AgeWriter(out.extend, readers, FakeRandom())
    for start in range(0, len(data), 1000):
        writer.write(data[start : start + 1000])
    writer.finish()
    return bytes(out)


def opened(data, openers):
    return b"".join(read_age(io.BytesIO(data), openers))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_both_read_what_the_other_writes(size):
    """E-49."""
    data = os.urandom(size)
    public = parse_recipient(str(IDENTITY.to_public()))
    assert public_of(OURS.identities[0]) == public
    ours = written(data, Readers(recipients=(public_of(bytes(32)), public)))
    assert pyrage.decrypt(ours, [IDENTITY]) == opened(ours, OURS) == data
    theirs = pyrage.encrypt(data, [pyrage.x25519.Identity.generate().to_public(), IDENTITY.to_public()])
    assert opened(theirs, OURS) == data


def test_a_passphrase_opens_at_both():
    ours = written(b"data", Readers(passphrase="a long pässphrase"))
    assert pyrage.passphrase.decrypt(ours, "a long pässphrase") == b"data"
    assert opened(ours, Openers(passphrase="a long pässphrase")) == b"data"
    with pytest.raises(InputError, match="does not open"):
        opened(ours, Openers(passphrase="another"))
    with pytest.raises(InputError, match="needs its passphrase"):
        opened(ours, OURS)


@pytest.mark.parametrize(
    "text",
    ["age1", "AGE1QQ", "x", "age1" + "q" * 58, str(IDENTITY), str(IDENTITY.to_public())[:-1]],
    ids=["nothing", "capitals", "no prefix", "a wrong sum", "a private key", "cut"],
)
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(InputError):
        parse_recipient(text)
    with pytest.raises(InputError):
        parse_identity("# made\n" + str(IDENTITY.to_public()))
