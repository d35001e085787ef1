"""Things that happen at the worst moment of a round trip."""

from contextlib import asynccontextmanager

from doorward.errors import ConflictError
from tests.fakes.flows import a_visitor


async def come_back_while(town, act, answer=None):
    """Somebody's answer is on its way from the provider while something else is done."""
    visitor = a_visitor()
    url = await town.leave(visitor)
    town.upstream.meanwhile.append(act)
    return await town.come_back(visitor, url, answer)


async def come_back_and_just_before_the_session(town, act, answer=None):
    """Something is done after the evidence was written and before the session is there."""
    put = town.store.sessions.put

    async def act_and_put(session):
        town.store.sessions.put = put
        await act()
        await put(session)

    town.store.sessions.put = act_and_put
    visitor = a_visitor()
    return await town.come_back(visitor, await town.leave(visitor), answer)


def lost():
    raise ConflictError("somebody else was first")


def lose_to(town, act):
    """The next transaction is not committed, because `act` was faster."""
    transaction = town.store.records.transaction

    @asynccontextmanager
    async def lose():
        town.store.records.transaction = transaction
        try:
            async with transaction() as opened:
                yield opened
                lost()
        except ConflictError:
            await act()
            raise

    town.store.records.transaction = lose
