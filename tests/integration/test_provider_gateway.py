"""The gateway between a certified provider and Traefik: whole sign-ins, in one tab and in many."""

import re

import pytest

from tests.integration.upstream.registered import PUBLIC_URL
from tests.integration.upstream.town import APP, ROOT, Town
from tests.integration.upstream.walker import find_onward

EMAIL, GROUPS = "X-Forwarded-User-Email", "X-Forwarded-User-Groups"


@pytest.mark.parametrize("way", ["basic", "post", "key", "public", "pushed", "tied"])
def test_somebody_signs_in_with_every_kind_of_client_and_lands_where_they_were_going(town: Town, way: str) -> None:
    """C-05, C-10: the query string intact, the groups of the provider in force."""
    walker, goal = town.walker(), "https://api.example.com/a/b?c=d&c=e%20f&g=%2F&h"
    page = town.sign_in(walker, way, to=goal)
    assert (page.url, page.reply.status) == (goal, 200)
    assert town.app.arrivals[-1].target == "/a/b?c=d&c=e%20f&g=%2F&h"
    assert (town.header(EMAIL), town.header(GROUPS)) == ("ada@example.com", "engine,poets")


def test_the_browser_is_told_of_the_provider_by_a_page_and_not_by_a_redirect(town: Town) -> None:
    """A redirect after a form would be held to our `form-action`, which names nobody else."""
    walker = town.walker()
    page = walker.open(f"{PUBLIC_URL}/login?choose=1")
    page = walker.submit(page, {"provider": "basic"}, action="/login/with", following=False)
    assert page.reply.status == 200
    assert (find_onward(page) or "").startswith(town.provider.issuer)


def test_several_tabs_may_be_on_the_way_at_once(town: Town) -> None:
    """Each ends where it was going, in whatever order they come back, by whatever provider."""
    walker = town.walker()
    tabs = {f"{APP}/tab/{way}?n={number}": way for number, way in enumerate(["basic", "post", "pushed", "basic"])}
    pages = {goal: town.leave(walker, way, to=goal) for goal, way in tabs.items()}
    for goal, page in reversed(pages.items()):
        assert town.prove(walker, page).url == goal
    assert town.is_in(walker)


def test_a_provider_that_knows_the_person_already_asks_nothing(town: Town) -> None:
    walker = town.walker()
    town.sign_in(walker, "basic")
    walker.forget("example.com")
    asked = sum("/interaction/" in step for step in walker.steps)
    assert town.leave(walker, "post", to=f"{APP}/again").url == f"{APP}/again"
    assert sum("/interaction/" in step for step in walker.steps) == asked


def test_an_address_nobody_verified_is_not_passed_on(town: Town) -> None:
    """C-10: it is somebody's only when the provider says that it is."""
    assert town.sign_in(town.walker(), "basic", "cyd").reply.status == 200
    assert town.header(EMAIL) == ""


def test_what_the_provider_grants_is_taken_back_with_the_next_sign_in(town: Town) -> None:
    """And the sessions that lived on it end with it."""
    earlier, later = town.walker(), town.walker()
    town.sign_in(earlier, "basic", "ben")
    assert town.is_in(earlier, "https://api.example.com/")
    town.provider.order("person", name="ben", claims={"groups": []})
    try:
        assert town.sign_in(later, "basic", "ben").reply.status == 200
        assert town.header(GROUPS) == ""
        assert not town.is_in(earlier)
        assert later.open("https://api.example.com/").reply.status == 403
    finally:
        town.provider.order("person", name="ben", claims={"groups": ["engine"]})


def test_who_cancels_reads_that_and_can_go_on(town: Town) -> None:
    """And nothing of what the provider says about it is repeated."""
    walker = town.walker()
    page = walker.submit(town.leave(walker, "basic"), {"answer": "cancel"})
    assert page.url.startswith(f"{PUBLIC_URL}/login/callback/basic?")
    assert "cancelled" in page.text
    assert "pressed" not in page.text
    assert "/login?" in page.text
    assert not town.is_in(walker)


def test_a_callback_counts_once_and_in_its_own_browser(town: Town) -> None:
    """C-07: the state is taken with the first use, and bound to the browser."""
    walker, thief = town.walker(), town.walker()
    page = walker.submit(town.leave(walker, "basic"), {"name": "ada", "answer": "go"}, following=False)
    while not (find_onward(page) or "").startswith(PUBLIC_URL):
        page = walker.follow(page)
    callback = find_onward(page) or ""
    assert thief.open(callback).reply.status == 400
    assert not town.is_in(thief)
    assert walker.open(callback).url == f"{APP}/"
    assert walker.open(callback).reply.status == 400
    assert town.is_in(walker)


def test_the_providers_keys_may_change_while_somebody_is_on_the_way(town: Town) -> None:
    walker = town.walker()
    town.sign_in(town.walker(), "basic")
    page = town.leave(walker, "basic")
    town.provider.order("rotate", keep=False)
    assert town.prove(walker, page).url == f"{APP}/"


@pytest.mark.parametrize("path", ["/token", "/me"])
def test_a_provider_that_fails_on_the_way_is_not_held_against_anybody(town: Town, path: str) -> None:
    walker = town.walker()
    page = town.leave(walker, "basic")
    town.provider.order("fault", path=path, status=503)
    try:
        failed = town.prove(walker, page)
    finally:
        town.provider.order("fault", path=path, status=0)
    assert failed.reply.status == 502
    assert "out of order" not in failed.text
    assert not town.is_in(walker)
    assert town.sign_in(walker, "basic").url == f"{APP}/"


def test_who_asks_to_stay_signed_in_stays_so(town: Town) -> None:
    """The same choice as with a password."""
    for fields, stays in (({}, False), ({"remember": "1"}, True)):
        walker = town.walker()
        page = walker.submit(town.leave(walker, "basic", **fields), {"name": "ada", "answer": "go"}, following=False)
        lines = []
        while (target := find_onward(page)) is not None and not target.startswith(APP):
            page = walker.follow(page)
            lines += [line for line in page.reply.all("Set-Cookie") if line.startswith("doorward=")]
        assert ["Max-Age=" in line for line in lines] == [stays]


def test_a_rule_that_wants_a_fresh_sign_in_brings_the_provider_to_ask_again(town: Town) -> None:
    """`prompt=login`, `max_age` and `auth_time`; who never said when is asked, who just was is not."""
    known, unknown = town.walker(), town.walker()
    town.sign_in(known, "basic")
    assert town.is_in(known, f"{APP}/fresh")
    town.sign_in(unknown, "public")
    page = unknown.open(f"{APP}/fresh")
    assert page.url.startswith(f"{PUBLIC_URL}/login?")
    asked = unknown.submit(page, {"provider": "public"}, action="/login/with")
    assert "Test provider" in asked.text
    assert unknown.submit(asked, {"name": "ada", "answer": "go"}).url == f"{APP}/fresh"


def test_somebody_else_cannot_confirm_that_it_is_still_me(town: Town) -> None:
    walker = town.walker()
    town.sign_in(walker, "public")
    page = walker.submit(walker.open(f"{APP}/fresh"), {"provider": "public"}, action="/login/with")
    page = walker.submit(page, {"name": "ben", "answer": "go"})
    while "<form" in page.text:  # the provider signs the first one out before it signs the second one in
        page = walker.submit(page, {"name": "ben", "answer": "go"})
    assert "another account" in page.text
    assert not town.is_in(walker, f"{APP}/fresh")


def test_an_account_is_connected_by_its_owner_and_never_by_its_address(town: Town) -> None:
    """Then either way leads to the same account, until it is disconnected."""
    walker = town.walker()
    refused = town.sign_in(walker, "post", "root")
    assert refused.reply.status == 403
    assert "already" in refused.text
    town.enter(walker, ROOT)
    page = walker.submit(walker.open(f"{PUBLIC_URL}/account"), {"provider": "post"}, action="/account/link")
    assert town.prove(walker, page, "root").url.startswith(f"{PUBLIC_URL}/account")
    other = town.walker()
    assert town.sign_in(other, "post", "root").url == f"{APP}/"
    assert town.header(EMAIL) == "root@example.com"
    page = walker.open(f"{PUBLIC_URL}/account")
    (identity,) = re.findall(r'name="identity" value="([^"]+)"', page.text)
    walker.submit(page, {"identity": identity}, action="/account/unlink")
    assert not town.is_in(other)
    assert town.is_in(walker)
