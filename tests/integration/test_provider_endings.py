"""What ends a sign-in that a provider made: here, there, and between the two; and a provider that is not there."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from tests.integration.upstream.provider import client
from tests.integration.upstream.registered import PUBLIC_URL, callback_of
from tests.integration.upstream.town import APP, ROOT, Town
from tests.integration.upstream.walker import find_onward


def wait_until(happened: Callable[[], bool], *, within: float = 60.0) -> None:
    """Until it has happened; the gateway does some things every few seconds."""
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.1)


def test_signing_out_here_signs_out_there_and_stays_so(town: Town) -> None:
    """C-41: RP-initiated logout; the next page load signs nobody in again."""
    walker = town.walker()
    town.sign_in(walker, "basic")
    page = town.sign_out(walker)
    assert page.url.startswith(f"{town.provider.issuer}/session/end?")
    assert not town.is_in(walker)
    page = walker.submit(page, {"logout": "yes"})
    assert page.url.partition("?")[0] == f"{PUBLIC_URL}/signed-out"
    assert town.is_in(walker) is False
    assert "Test provider" in town.leave(walker, "basic").text


def test_signing_out_there_ends_it_here_at_the_very_next_check(town: Town) -> None:
    """Back-channel logout by `sid`; nobody else's sign-in is touched."""
    walker, elsewhere, other = town.walker(), town.walker(), town.walker()
    town.sign_in(walker, "basic")
    town.sign_in(elsewhere, "basic")
    town.sign_in(other, "basic", "ben")
    assert town.is_in(walker)
    town.provider.order("journal")
    page = walker.open(f"{town.provider.issuer}/session/end")
    walker.submit(page, {"logout": "yes"})
    assert town.provider.order("journal")["deliveries"] == [{"client": "basic", "status": 200}]
    assert not town.is_in(walker)
    assert town.is_in(elsewhere)
    assert town.is_in(other)


def test_an_administrator_there_ends_all_of_somebodys_sign_ins_here(town: Town) -> None:
    walkers = [town.walker() for _ in range(3)]
    for walker in walkers:
        town.sign_in(walker, "basic", "ben")
    other = town.walker()
    town.sign_in(other, "basic")
    told = town.provider.order("end", name="ben")["told"]
    assert {each["status"] for each in told} == {200}
    assert [town.is_in(walker) for walker in walkers] == [False] * 3
    assert town.is_in(other)


def test_a_sign_out_there_while_somebody_is_on_the_way_lets_nobody_in(town: Town) -> None:
    """The code was made in a session that has ended since."""
    walker = town.walker()
    page = walker.submit(
        town.leave(walker, "basic", to=f"{APP}/late"), {"name": "ada", "answer": "go"}, following=False
    )
    while not (find_onward(page) or "").startswith(PUBLIC_URL):
        page = walker.follow(page)
    town.provider.order("end", name="ada")
    refused = walker.open(find_onward(page) or "")
    assert refused.reply.status in {403, 502}
    assert not town.is_in(walker)


def test_what_is_revoked_there_ends_here_within_a_set_time(town: Town) -> None:
    """By the refresh token, which the provider renews every time and takes back in the end."""
    walker = town.walker()
    town.sign_in(walker, "tied", "ben")
    town.provider.order("journal")
    make_due(town)
    wait_until(lambda: bool(town.provider.requests("/token")))
    assert town.is_in(walker)
    town.provider.order("revoke", name="ben")
    make_due(town)
    wait_until(lambda: not town.is_in(walker))


def make_due(town: Town) -> None:
    """Have every tie tried at the next turn, as if the time between two tries were over."""
    with closing(sqlite3.connect(town.gateway.folder / "data" / "doorward.db")) as database, database:
        database.execute("UPDATE upstream_sessions SET check_at = 0 WHERE check_at IS NOT NULL")


def test_a_provider_that_is_down_disturbs_nobody_and_comes_back_by_itself(town: Town) -> None:
    """It was down when the gateway started."""
    local, foreign, walker = town.walker(), town.walker(), town.walker()
    page = town.leave(walker, "late")
    assert page.reply.status == 502
    assert "does not answer" in page.text
    assert "Connection refused" not in page.text
    assert "Connection refused" in town.gateway.process.log
    assert town.enter(local, ROOT).reply.status == 200
    assert town.is_in(local)
    assert town.sign_in(foreign, "basic").url == f"{APP}/"
    town.late.register([client("late", callback_of("late"))])
    town.late.start()
    wait_until(lambda: "Test provider" in town.leave(walker, "late").text)
    assert town.sign_in(walker, "late", "dan").url == f"{APP}/"
