"""For every text: either it is refused, or a browser goes to the very host we checked (attack D06)."""

import ada_url
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.errors import InputError
from doorward.rules.redirect import MAX_TARGET, parse_return_url

KNOWN = frozenset({"app.example.test", "10.0.0.5", "[::1]"})
PUBLIC = "https://auth.example.test"

WORDS = """https: http: HTTPS:// // / \\ @ : ? # %2f %5c %00 %2e .. . ; app.example.test auth.example.test evil.test
10.0.0.5 0x0a.5 [::1] [ ] 443 8443 80 user \u3002 \uff0f a b=c & %E3%80%82 | < ^ ~ ' " ` { }"""
PIECES = st.sampled_from([*WORDS.split(), "\t", "\n", " "])
TEXTS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=6).map(lambda pieces: "https://app.example.test" + "".join(pieces)),
    st.lists(PIECES, max_size=6).map(lambda pieces: "/" + "".join(pieces)),
    st.text(max_size=40),
)


def browse(text):
    """Where a browser on our sign-in page would go."""
    return ada_url.URL(text, base=PUBLIC + "/login")


@given(TEXTS)
@example("https://evil.test\\@app.example.test/")
@example("https://app.example.test/a|b?c=^")
@example("/%2e%2e//evil.test")
def test_a_browser_goes_where_we_looked(text):
    """D01 to D13: what Python reads and what WHATWG reads agree, or it is refused."""
    try:
        url = parse_return_url(text, public_url=PUBLIC, is_known_host=KNOWN.__contains__)
    except InputError:
        return
    ours, theirs = browse(url), browse(text)
    assert ours.protocol == "https:"
    assert ours.hostname in {*KNOWN, "auth.example.test"}
    # The dot that ends a full domain name is the one thing we leave out.
    host = theirs.hostname.removesuffix(".")
    assert (theirs.protocol, host, theirs.port) == (ours.protocol, ours.hostname, ours.port)
    assert (theirs.pathname, theirs.search) == (ours.pathname, ours.search)
    assert not ours.username
    assert not ours.password


@given(TEXTS)
def test_what_is_accepted_may_stand_in_a_header(text):
    """D03: no control byte, no space, nothing but visible ASCII."""
    try:
        url = parse_return_url(text, public_url=PUBLIC, is_known_host=lambda _: True)
    except InputError:
        return
    assert all(0x21 <= ord(letter) <= 0x7E for letter in url)


def test_an_address_without_end_is_refused() -> None:
    """B28: nothing that long was typed."""
    with pytest.raises(InputError):
        parse_return_url("/" + "a" * MAX_TARGET, public_url=PUBLIC, is_known_host=KNOWN.__contains__)
