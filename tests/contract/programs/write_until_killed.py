"""Write from several tasks until killed; acknowledge each commit on stdout, after it returned.

Arguments: the data folder, and the number of this life (so that names differ from one life to the next).
"""

import asyncio
import json
import sys
from pathlib import Path

from doorward.outside.system import SystemRandom
from doorward.storage.sqlite import open_sqlite
from tests.contract.samples import a_session, a_user, an_event
from tests.fakes.neighbours import FakeKeyring


async def write(storage, life, lane):
    for number in range(100_000):
        user = a_user(f"u{life}-{lane}-{number}")
        async with storage.records.transaction() as transaction:
            await transaction.add_user(user)
            record = await transaction.append_audit(an_event(subject=user.id))
        kept, ended = (
            a_session(user, handle=f"{life}-{lane}-{number}-{which}", fingerprint=SystemRandom().token(32))
            for which in ("kept", "ended")
        )
        for session in (kept, ended):
            await storage.sessions.put(session)
        await storage.sessions.end(ended.handle)
        line = {
            "sequence": record.sequence,
            "hash": record.hash.hex(),
            "user": user.id,
            "session": kept.handle,
            "ended": ended.handle,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


async def main(folder, life):
    storage = open_sqlite(Path(folder), random=SystemRandom(), keyring=FakeKeyring())
    await asyncio.gather(*(write(storage, life, lane) for lane in range(3)))


asyncio.run(main(sys.argv[1], sys.argv[2]))
