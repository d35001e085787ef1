"""What a browser sends is text, each name once, of a size known beforehand; or it is refused."""

from urllib.parse import urlencode

import pytest

from doorward.errors import InputError
from doorward.web.errors import Refusal
from doorward.web.form import parse_pairs, read_form
from tests.fakes.door import Browser, Door

FORM = (b"content-type", b"application/x-www-form-urlencoded")
LIMIT = 16 * 1024


def feed(*pieces: bytes):
    left = list(pieces)

    async def receive():
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    return receive


def test_pairs_are_decoded_once() -> None:
    """D13."""
    assert parse_pairs(b"a=1&b=x+y%2By&c=&d=%252f") == {"a": "1", "b": "x y+y", "c": "", "d": "%2f"}
    assert parse_pairs("näme=wört".encode()) == {"näme": "wört"}
    assert parse_pairs(b"") == {}


@pytest.mark.parametrize(
    "raw",
    [
        b"rd=1&rd=2",
        b"rd=1&%72d=2",
        b"a=%00",
        b"a=%0d%0ab",
        b"a=%ff",
        b"a=%",
        b"a=%2",
        b"a=%zz",
        b"a=%ed%a0%80",
        b"\xff=1",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(raw: bytes) -> None:
    """D12, P14."""
    with pytest.raises(InputError):
        parse_pairs(raw)


async def test_a_text_area_has_lines() -> None:
    form = await read_form([FORM], feed(b"a=one%0D%0Atwo%0Athree"), limit=LIMIT)
    assert form == {"a": "one\ntwo\nthree"}
    for lone in (b"a=one%0Dtwo", b"a=one%0D%0D%0Atwo", b"a%0D%0Ab=1"):
        with pytest.raises(InputError):
            await read_form([FORM], feed(lone), limit=LIMIT)


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(InputError):
        parse_pairs(b"&".join(b"f%d=1" % number for number in range(41)))


async def test_a_form_may_come_in_pieces() -> None:
    assert await read_form([FORM], feed(b"a=", b"1&b", b"=2"), limit=LIMIT) == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    "kind",
    [
        b"multipart/form-data; boundary=x",
        b"application/json",
        b"text/plain",
        b"application/x-www-form-urlencoded; charset=utf-16",
        b"application/x-www-form-urlencoded, text/plain",
        b"",
    ],
)
async def test_other_formats_are_not_read(kind: bytes) -> None:
    """P06."""
    with pytest.raises(Refusal) as caught:
        await read_form([(b"content-type", kind)], feed(), limit=LIMIT)
    assert caught.value.status == 415


async def test_what_is_told_to_be_long_is_refused_unread() -> None:
    """E13."""
    for length in (b"%d" % (LIMIT + 1), b"9" * 30, b"-1", b"1e3", b"\xb2"):
        with pytest.raises(Refusal) as caught:
            await read_form([FORM, (b"content-length", length)], feed(), limit=LIMIT)
        assert caught.value.status == 413


async def test_what_turns_out_to_be_long_is_read_no_further() -> None:
    pieces = [b"x" * 4096] * 100
    receive = feed(*pieces)
    with pytest.raises(Refusal):
        await read_form([FORM], receive, limit=LIMIT)
    assert (await receive())["more_body"]


async def test_a_visitor_who_leaves_is_no_fault_of_ours() -> None:
    async def gone():
        return {"type": "http.disconnect"}

    with pytest.raises(InputError):
        await read_form([FORM], gone, limit=LIMIT)


async def test_through_the_door_each_has_its_status() -> None:
    """P06, E13, D12."""
    browser = Browser(Door())
    await browser.get("/login")
    assert (await browser.post("/login", {}, content_type="multipart/form-data; boundary=x")).status == 415
    huge = await browser.post("/login", {"password": "x" * 1_000_000})
    assert (huge.status, huge.header("connection")) == (413, "close")
    assert (await browser.get("/login?rd=/a&rd=//evil.test")).status == 400
    assert (await browser.post("/login?rd=/a", {"rd": "/b"})).status in {400, 403}
    assert (await browser.get("/login?rd=%00")).status == 400


@pytest.mark.parametrize("size", [4096, 32 * 1024])
async def test_a_form_may_have_as_many_bytes_as_the_setting_says_and_no_more(size: int) -> None:
    """`limits.body_size`."""
    door = Door()
    object.__setattr__(door.server, "max_body", size)
    browser = Browser(door)
    page = await browser.get("/login")
    empty = len(urlencode({"filler": ""}))
    assert page.status == 200
    assert (await browser.post("/login", {"filler": "x" * (size - empty)})).status != 413
    assert (await browser.post("/login", {"filler": "x" * (size - empty + 1)})).status == 413
