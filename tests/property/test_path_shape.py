"""Whatever is asked for, its shape is short, plain, and holds no number of it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.path_shape import MOST, find_shape

_SEGMENTS = st.one_of(
    st.text(max_size=60),
    st.integers(min_value=0).map(str),
    st.uuids().map(str),
    st.binary(min_size=8, max_size=32).map(bytes.hex),
    st.from_regex(r"[A-Za-z0-9._~-]{0,50}", fullmatch=True),
)


@given(st.lists(_SEGMENTS, max_size=12))
def test_a_shape_is_short_and_holds_nothing_that_counts(segments):
    shape = find_shape("/" + "/".join(segments))
    assert len(shape) <= MOST
    assert shape.startswith("/")
    bare = re.sub(r"\{(n|id|uuid|text)\}", "", shape)
    assert re.fullmatch(r"(?:[A-Za-z._~*/-]|v[0-9]{1,2})*", bare), shape
    assert all(len(word) <= 24 for word in re.split(r"[/._~-]", bare))


@given(st.text())
def test_any_text_has_a_shape(text):
    assert len(find_shape(text)) <= MOST
