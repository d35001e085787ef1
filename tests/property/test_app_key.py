"""How keys are written: read back exactly, and nothing that is almost one is read as one."""

from hypothesis import given
from hypothesis import strategies as st

from doorward.rules import app_key
from doorward.rules.app_key import (
    ID_SIZE,
    SECRET_SIZE,
    hash_secret,
    matches,
    parse_key,
    preview_of,
    write_key,
    write_key_id,
)

IDS = st.binary(min_size=16, max_size=16).map(write_key_id)
SECRETS = st.binary(min_size=SECRET_SIZE, max_size=SECRET_SIZE)
LETTERS = st.one_of(st.characters(), st.sampled_from("_-0aAzZ \x00é９"))


@given(IDS, SECRETS)
def test_a_key_is_read_as_it_was_written(key_id: str, secret: bytes) -> None:
    text = write_key(key_id, secret)  # type: ignore[arg-type]
    assert parse_key(text) == (key_id, secret)
    assert len(key_id) == ID_SIZE
    assert len(text) == 66
    preview = preview_of(text)
    assert (preview[:8], preview[-4:], len(preview)) == (text[:8], text[-4:], 13)


@given(IDS, SECRETS, st.integers(0, 65), LETTERS)
def test_a_mistyped_key_is_none(key_id: str, secret: bytes, at: int, letter: str) -> None:
    """The checksum tells every single letter; so no stored row is looked at for it."""
    text = write_key(key_id, secret)  # type: ignore[arg-type]
    typed = text[:at] + letter + text[at + 1 :]
    assert (parse_key(typed) is None) == (typed != text)
    assert parse_key(text[:at] + letter + text[at:]) is None
    assert parse_key(text[:at] + text[at + 1 :]) is None


@given(st.one_of(st.text(max_size=80), st.from_regex(r"dw_[0-9a-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")))
def test_what_nobody_wrote_is_none_and_no_fault(text: str) -> None:
    """A secret above 256 bits has no second spelling of a smaller one."""
    found = parse_key(text)
    assert found is None or write_key(*found) == text


def test_a_secret_that_is_too_large_is_none() -> None:
    body = f"dw_{'a' * 12}_{'z' * 43}"
    assert all(parse_key(f"{body}_{check}") is None for check in ("000000", app_key._check(body)))


@given(SECRETS, SECRETS)
def test_a_hash_is_of_one_secret(secret: bytes, other: bytes) -> None:
    digest = hash_secret(secret)
    assert matches(secret, digest)
    assert matches(other, digest) == (other == secret)
    assert not matches(secret, digest.removeprefix("sha256:"))
    assert secret.hex() not in digest
