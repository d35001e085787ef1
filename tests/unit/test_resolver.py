"""Names are looked up side by side: one that nobody answers for holds up no other, and piles nothing up."""

import asyncio
import socket
import threading
from collections import Counter
from ipaddress import ip_address

import pytest

from doorward.errors import PeerError
from doorward.outside.resolver import SystemResolver

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0))] * 2


class Names:
    """A system that is silent about some names until `speak`."""

    def __init__(self):
        self.asked = Counter()
        self.speaks = threading.Event()

    def __call__(self, host):
        self.asked[host] += 1
        if host.startswith("silent"):
            self.speaks.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        if host == "a." * 99:
            raise UnicodeError("label empty or too long")
        if host == "nowhere.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return FOUND


@pytest.fixture
def names():
    made = Names()
    yield made
    made.speaks.set()
    for thread in threading.enumerate():
        if thread.name == "resolver":
            thread.join()


async def refusals(tasks):
    return {str(error) for error in await asyncio.gather(*tasks, return_exceptions=True)}


async def test_a_name_without_an_answer_holds_up_no_other(names):
    resolve = SystemResolver(names)
    stuck = [asyncio.create_task(resolve(f"silent{number}.test")) for number in range(100)]
    await asyncio.sleep(0)
    assert await resolve("idp.test") == [ip_address("192.0.2.7")]
    assert not any(task.done() for task in stuck)
    names.speaks.set()
    assert "silent7.test has no address: the name server does not answer" in await refusals(stuck)


@pytest.mark.parametrize("host", ["nowhere.test", "a." * 99])
async def test_a_name_nobody_knows_is_told_from_a_name_server_that_is_silent(names, host):
    with pytest.raises(PeerError, match=r"has no address: the name is not known$"):
        await SystemResolver(names)(host)


async def test_a_name_is_asked_for_once_however_many_wait_and_give_up(names):
    resolve = SystemResolver(names)
    stuck = [asyncio.create_task(resolve("silent.test")) for _ in range(50)]
    await asyncio.sleep(0)
    for task in stuck[1:]:
        task.cancel()
    assert await refusals(stuck[1:]) == {""}
    again = asyncio.create_task(resolve("silent.test"))
    await asyncio.sleep(0)
    names.speaks.set()
    assert len(await refusals([stuck[0], again])) == 1
    assert names.asked == {"silent.test": 1}
    assert "silent.test has no address: the name server does not answer" in await refusals([resolve("silent.test")])
    assert names.asked == {"silent.test": 2}


async def test_so_many_names_are_waited_for_and_no_more(names):
    resolve = SystemResolver(names)
    stuck = [asyncio.create_task(resolve(f"silent{number}.test")) for number in range(256)]
    await asyncio.sleep(0)
    with pytest.raises(PeerError, match=r"^idp\.test is not looked up: the name server owes us 256 other answers$"):
        await resolve("idp.test")
    names.speaks.set()
    await refusals(stuck)
    assert await resolve("idp.test") == [ip_address("192.0.2.7")]


def test_an_answer_that_comes_when_all_is_over_disturbs_nobody(names):
    async def ask_and_leave():
        task = asyncio.create_task(SystemResolver(names)("silent.test"))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(ask_and_leave())
    (thread,) = (each for each in threading.enumerate() if each.name == "resolver")
    assert thread.daemon
    names.speaks.set()
    thread.join()
    assert names.asked == {"silent.test": 1}
