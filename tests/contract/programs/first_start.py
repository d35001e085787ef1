"""Start on a folder that may be empty, once stdin is closed; tell the signing key."""

import asyncio
import sys
from contextlib import closing
from pathlib import Path

from doorward.flows.stored_keys import SessionKey, open_keys
from doorward.outside.keyring import open_keyring
from doorward.outside.system import SystemRandom
from doorward.storage.sqlite import open_sqlite
from tests.fakes.system import START


async def main(folder):
    random = SystemRandom()
    keyring = open_keyring(folder, random=random)
    storage = open_sqlite(folder, random=random, keyring=keyring)
    await open_keys(storage.records, keyring, random, now=START)
    with closing(storage.open_live_view()) as view:
        sys.stdout.write(SessionKey(view, keyring)().hex() + "\n")
        await storage.close()


sys.stdin.read()
asyncio.run(main(Path(sys.argv[1])))
