"""The shape of a path: the words stay, what tells one thing from another goes."""

import pytest

from doorward.rules.path_shape import MOST, find_shape


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("", ""),
        ("/", "/"),
        ("/api/v1/users/42", "/api/v1/users/{n}"),
        ("/orders/2024-01-05.pdf", "/orders/{n}-{n}-{n}.pdf"),
        ("/d/3f2a9c1b-1111-2222-3333-444455556666/edit", "/d/{uuid}/edit"),
        ("/assets/main.3f2a9c1b.js", "/assets/main.{id}.js"),
        ("/watch/dQwWgXcQ", "/watch/{id}"),
        ("/watch/dQwWgXcQ9", "/watch/{id}"),
        ("/getUserProfileByName", "/getUserProfileByName"),
        ("/oauth2/callback", "/oauth{n}/callback"),
        ("/share/9aZbY8", "/share/{id}"),
        ("/token/abcdefghijklmnopqrstuvwxyzabc", "/token/{id}"),
        ("/" + "ab-" * 20, "/{id}"),
        ("/Müller/alice@example.com/a b", "/{text}/{text}/{text}"),
        ("/{n}", "/{text}"),
        ("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h"),
        ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/*"),
    ],
)
def test_words_stay_and_identifiers_go(path, shape):
    """E-58: what is kept of a request says what kind of thing it was about."""
    assert find_shape(path) == shape


def test_a_long_shape_ends_where_a_segment_does():
    shape = find_shape("/" + "/".join(["abcdefghijkabcdefghijkl.stylesheet"] * 8))
    assert len(shape) <= MOST
    assert shape.endswith(".stylesheet/*")
