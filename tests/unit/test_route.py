"""One table says which page answers where; a star in it stands for one name and nothing else."""

import pytest

from doorward.web.route import Route, find_route

EXACT, STAR = Route(), Route(secretive=True)
TABLE = {"/login": EXACT, "/login/callback/*": STAR, "/api/auth/login": EXACT}


def test_a_path_of_the_table_is_found_as_it_stands() -> None:
    assert find_route(TABLE, "/login") == (EXACT, "")
    assert find_route(TABLE, "/api/auth/login") == (EXACT, "")


@pytest.mark.parametrize("name", ["google", "g", "0", "my-own-idp", "a" * 32, "a-"])
def test_a_star_stands_for_a_name(name: str) -> None:
    assert find_route(TABLE, f"/login/callback/{name}") == (STAR, name)


@pytest.mark.parametrize(
    "path",
    ["/login/callback/", "/login/callback", "/login/callback/*", "/login/callback/-x", "/login/callback/Google",
     "/login/callback/a/b", "/login/callback//a", "/login/callback/a.b", "/login/callback/a b", "/login/callback/é",
     "/login/callback/..", "/login/callback/" + "a" * 33, "/login/callback/a\n", "/login/", "/login/google", "//login",
     "/callback/google", "login", "", "*", "/*", "/nothing"],
)  # fmt: skip
def test_nothing_else_is_an_address(path: str) -> None:
    assert find_route(TABLE, path) is None


def test_a_secretive_address_is_told_to_nobody() -> None:
    assert STAR.headers == [(b"referrer-policy", b"no-referrer")]
    assert EXACT.headers == []
