"""What is read as a key in headers and addresses, and what is left alone."""

from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import InputError
from doorward.rules.app_key import SECRET_SIZE, KeyId, parse_key, write_key, write_key_id
from doorward.rules.request import MAX_TARGET, parse_target
from doorward.web.gate.shown import read_authorization, read_plainly, read_shown, take_from_target

KEY = write_key(KeyId("0a1b2c3d4e5f"), bytes(range(32)))
TOKEN = "eyJ.ours.x"
KEYS = st.builds(
    write_key,
    st.binary(min_size=16, max_size=16).map(write_key_id),
    st.binary(min_size=SECRET_SIZE, max_size=SECRET_SIZE),
)


def is_token(text: str) -> bool:
    return text == TOKEN


def encoded(text: str, encoding: str = "utf-8") -> bytes:
    return b"Basic " + b64encode(text.encode(encoding))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"Bearer {KEY}".encode(), KEY),
        (f"bEARER \t {KEY} ".encode(), KEY),
        (f"Bearer {TOKEN}".encode(), TOKEN),
        (b"Bearer dw_nonsense", "dw_nonsense"),
        (encoded(f"alice:{KEY}"), KEY),
        (encoded(f":{KEY}"), KEY),
        (encoded("alice:dw_nonsense"), "dw_nonsense"),
        (encoded(f"a:{KEY}:b"), f"{KEY}:b"),
        # A key in any other place is a wrong one.
        (KEY.encode(), "dw_"),
        (f"Token {KEY}".encode(), "dw_"),
        (f"Bearer a, Bearer {KEY}".encode(), "dw_"),
        (f"Digest username={KEY}".encode(), "dw_"),
        (encoded(f"{KEY}:"), "dw_"),
        (encoded(KEY), "dw_"),
        (f"Token {TOKEN}".encode(), "dw_"),
        (TOKEN.encode(), "dw_"),
        (f"Bearer a, Bearer {TOKEN}".encode(), "dw_"),
        (encoded(f"alice:{TOKEN}"), "dw_"),
        (encoded(f"{TOKEN}:"), "dw_"),
        (encoded(f"alice:x{KEY}"), "dw_"),
        (b"Basic " + b64encode(f"a:{KEY}".encode()).rstrip(b"="), "dw_"),
        (b"Basic " + urlsafe_b64encode(f"\xfb\xff:{KEY}".encode("latin-1")), "dw_"),
        (b"Basic " + b64encode(f"a:{KEY}".encode()) + b"\x01=!", "dw_"),
        # The app's own.
        (b"", ""),
        (b"Bearer", ""),
        (b"Basic", ""),
        (b"Basic ?", ""),
        (encoded("alice"), ""),
        (encoded("alice:secret"), ""),
        (encoded(f"alice:{KEY}", "utf-16"), ""),
        (b"Basic " + b64encode(b"\0:\0"), ""),
        (b"Bearer theirs", ""),
        (b"Token eyJ.theirs.x", ""),
        (encoded("alice:eyJ.theirs.x"), ""),
    ],
)
def test_authorization_is_read_strictly(value: bytes, found: str) -> None:
    """L05: read as ours, as a wrong key, or left alone; never anything in between."""
    assert read_authorization(value, is_token) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (KEY.encode(), KEY), (b"dw_", "dw_"), (f"x {KEY}".encode(), "dw_"), (TOKEN.encode(), "dw_"), (b"theirs", ""),
        (b"eyJ.theirs.x", ""), (b"", ""),
    ],
)  # fmt: skip
def test_a_plain_header_is_read_strictly(value: bytes, found: str) -> None:
    assert read_plainly(value, is_token) == found


def test_what_is_ours_is_taken_out_and_the_rest_is_left() -> None:
    assert read_shown({b"cookie": b"a"}, is_token) == ((), (), False)
    shown = read_shown({b"authorization": f"Bearer {KEY}".encode(), b"x-api-key": b"theirs"}, is_token)
    assert shown == ((KEY,), ((b"authorization", b""), (b"x-api-key", b"theirs")), False)
    both = read_shown({b"authorization": f"Bearer {KEY}".encode(), b"x-api-key": KEY.encode()}, is_token)
    assert both.keys == (KEY,)


@given(st.binary(max_size=200))
def test_nothing_is_a_fault(raw: bytes) -> None:
    for value in (raw, b"Bearer " + raw, b"Basic " + raw, b"Basic " + b64encode(raw), b"basic  " + raw + b"="):
        read_authorization(value, is_token)
        read_plainly(value, is_token)
    take_from_target(b"/x?" + raw, b"dw_key")


@given(KEYS, st.text(max_size=20), st.binary(max_size=30), st.binary(max_size=30))
def test_a_whole_key_is_never_left_for_the_app(key: str, name: str, before: bytes, after: bytes) -> None:
    plain = key.encode()
    values = [before + plain, b"Bearer " + before + plain + after, encoded(f"{name}:{key}"), before + b" " + plain]
    for value in values:
        found = read_authorization(value, is_token)
        assert found.startswith("dw_")
        assert parse_key(found) is None or found == key
    assert read_plainly(before + plain + after, is_token).startswith("dw_")


@given(KEYS, st.sampled_from([b"", b"a=b", b"a=b&c", b"&&"]), st.sampled_from([b"", b"x=1&y", b"key=theirs"]))
def test_a_key_in_an_address_is_taken_out_of_it(key: str, before: bytes, after: bytes) -> None:
    pairs = [part for part in (before, b"dw_key=" + key.encode(), after) if part]
    found, rest = take_from_target(b"/feed?" + b"&".join(pairs), b"dw_key")
    assert found == key
    left = b"&".join(part for part in (before, after) if part)
    assert rest == (b"/feed?" + left if left else b"/feed")


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/x", ("", "/x")),
        ("/x?", ("", "/x?")),
        ("/x?dw_key=theirs", ("", "/x?dw_key=theirs")),
        ("/x?DW_KEY=dw_a", ("", "/x?DW_KEY=dw_a")),
        ("/x?dw_key=dw_a", ("dw_a", "/x")),
        # A proxy may take but one of them out before the app sees it.
        ("/x?dw_key=dw_a&dw_key=dw_a", ("dw_", "/x")),
        (f"/x?dw_key={KEY}&a=b&%64w_key={KEY}", ("dw_", "/x?a=b")),
        ("/x?dw_key=dw_a&dw_key=dw_b", ("dw_", "/x")),
        ("/x?dw_key=dw_a&%64w_key=theirs", ("dw_", "/x?%64w_key=theirs")),
        ("/x?dw_key&dw_key=dw_a", ("dw_", "/x?dw_key")),
        ("/x?%64%77%5fkey=%64w_a&b=%41", ("dw_a", "/x?b=%41")),
        (f"/x?dw_key=x{KEY}", (f"x{KEY}", "/x")),
        ("/dw_key=dw_a", ("", "/dw_key=dw_a")),
        # Under any other name a whole key is a wrong one.
        (f"/x?token={KEY}", ("dw_", "/x")),
        (f"/x?DW_KEY={KEY}&a=b", ("dw_", "/x?a=b")),
        (f"/x?a=b;dw_key={KEY}", ("dw_", "/x")),
        (f"/x?{KEY}", ("dw_", "/x")),
        (f"/x?a&{KEY}=b", ("dw_", "/x?a")),
        (f"/x?next=%2Fy%3Fdw_key%3D{KEY}&c=%41", ("dw_", "/x?c=%41")),
        (f"/x?token=%64%77%5F{KEY[3:]}", ("dw_", "/x")),
        (f"/x?token=x{KEY}y", ("dw_", "/x")),
        (f"/x?token={KEY}&dw_key={KEY}", ("dw_", "/x")),
        (f"/x?dw_key={KEY}&token={KEY}", ("dw_", "/x")),
        (f"/x?dw_key=theirs&token={KEY}", ("dw_", "/x?dw_key=theirs")),
        (f"/x?token={KEY[:-1]}", ("", f"/x?token={KEY[:-1]}")),
        ("/x?token=dw_a", ("", "/x?token=dw_a")),
        ("/x?a=%64", ("", "/x?a=%64")),
    ],
)
def test_an_address_is_read_whatever_way_it_is_spelt(target: str, found: tuple[str, str]) -> None:
    key, rest = take_from_target(target.encode(), b"dw_key")
    assert (key, rest.decode()) == found


@given(KEYS, st.binary(max_size=20), st.binary(max_size=20), st.sets(st.integers(0, 65)))
def test_a_whole_key_is_never_left_in_a_query(key: str, before: bytes, after: bytes, coded: set[int]) -> None:
    """Whatever it is called and whichever of its letters are written as numbers."""
    spelt = "".join(f"%{ord(letter):02x}" if at in coded else letter for at, letter in enumerate(key)).encode()
    # A % of what stands before would take the first letters of it for its own.
    query = before.replace(b"%", b"") + spelt + after
    found, rest = take_from_target(b"/x?" + query, b"dw_key")
    assert found.startswith("dw_")
    assert spelt not in rest


def test_an_address_that_is_too_long_is_not_searched() -> None:
    """B28: it is refused for its length."""
    target = b"/x?dw_key=" + KEY.encode() + b"&" * MAX_TARGET
    assert take_from_target(target, b"dw_key") == ("", target)
    with pytest.raises(InputError):
        parse_target(target)
