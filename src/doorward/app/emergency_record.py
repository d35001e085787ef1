"""What was recorded while the gateway ran without its data, and how it comes to stand in the real record."""

import hashlib
import json
from datetime import datetime
from typing import Any, Final

from doorward.app.house import House
from doorward.outside.kit_file import EMERGENCY
from doorward.rules.audit import GENESIS, Act, AuditEvent, AuditRecord, verify_link

NOTED: Final = "noted-"
"""Before the name of a file that was noted."""


async def note_emergencies(house: House) -> int:
    """At a proper start: verify what was recorded in emergencies, note it in the record, spend the codes; how many."""
    folder = house.storage.path.parent
    found = sorted(folder.glob(f"{EMERGENCY}*.jsonl"))
    for path in found:
        content = path.read_bytes()
        code, records, whole = read_record(content)
        public = {
            "file": path.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "records": str(records),
            "verified": "yes" if whole else "no",
        }
        await house.flows.break_glass.note_emergency(code, public, now=house.clock.now())
        path.rename(path.with_name(NOTED + path.name))
        if not whole:
            house.log.error("emergency_record_broken", file=path.name)
    return len(found)


def read_record(content: bytes) -> tuple[bytes, int, bool]:
    """The code's digest, how many records there are, and whether each stands unedited after the one before."""
    code, previous, count = b"", GENESIS, 0
    try:
        head, *lines = content.decode("utf-8").splitlines()
        code = bytes.fromhex(json.loads(head)["code"])
        for line in lines:
            record = _decode(json.loads(line))
            if record.sequence != count + 1 or not verify_link(record, previous):
                return code, count, False
            previous, count = record.hash, count + 1
    except (ValueError, TypeError, KeyError):
        return code, count, False
    return code, count, count > 0


def encode_record(record: AuditRecord) -> dict[str, object]:
    """A record as it is kept."""
    event = record.event
    return {
        "sequence": record.sequence,
        "act": event.act.value,
        "actor": event.actor,
        "subject": event.subject,
        "at": event.at.isoformat(),
        "public": dict(event.public),
        "private": dict(event.private),
        "salt": record.salt.hex(),
        "private_digest": record.private_digest.hex(),
        "previous": record.previous.hex(),
        "hash": record.hash.hex(),
    }


def _decode(value: dict[str, Any]) -> AuditRecord:
    event = AuditEvent(
        Act(value["act"]),
        str(value["actor"]),
        str(value["subject"]),
        datetime.fromisoformat(value["at"]),
        dict(value["public"]),
        dict(value["private"]),
    )
    digest, previous = bytes.fromhex(value["private_digest"]), bytes.fromhex(value["previous"])
    salt, own = bytes.fromhex(value["salt"]), bytes.fromhex(value["hash"])
    return AuditRecord(int(value["sequence"]), event, salt, digest, previous, own)
