"""Disable every account, as an operator's command beside the running server does."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from doorward.outside.system import SystemRandom
from doorward.storage.sqlite import open_sqlite
from tests.fakes.neighbours import FakeKeyring


async def main(folder):
    storage = open_sqlite(folder, random=SystemRandom(), keyring=FakeKeyring())
    async with storage.records.transaction() as transaction:
        for user in await transaction.list_users():
            await transaction.advance_user(user, replace(user, enabled=False, generation=user.generation + 1))
    await storage.close()
    sys.stdout.write("done\n")


asyncio.run(main(Path(sys.argv[1])))
