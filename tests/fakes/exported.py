"""Chains, checkpoints and exports made of nothing but rules."""

from dataclasses import replace
from datetime import timedelta

from doorward.rules.audit import GENESIS, Act, AuditEvent, chain
from doorward.rules.audit_lines import Header, Writer
from doorward.rules.checkpoint import SigningKey, make_checkpoint
from doorward.rules.ranges import Ranges
from tests.fakes.audit_records import as_entry
from tests.fakes.system import START, FakeRandom

KEY = SigningKey(bytes(range(32)))
OTHER_KEY = SigningKey(bytes(range(1, 33)))
INSTALLATION = "installation-of-the-tests"


def a_chain(length, *, erased=(), seed="chain", after=0, previous=GENESIS):
    """Entries, oldest first; those in `erased` have no personal data, and the last record says so."""
    random, entries = FakeRandom(seed), []
    for number in range(after + 1, length + 1):
        event = AuditEvent(
            Act.LOGIN,
            f"user{number % 3}",
            f"user{number % 2}",
            START + timedelta(seconds=number),
            {"method": "password", "n": str(number)},
            {"address": f"192.0.2.{number}", "user_agent": "Firefox"},
        )
        if erased and number == length:
            event = replace(event, act=Act.AUDIT_ERASED, public={"records": Ranges(erased).spell()})
        record = chain(event, sequence=number, previous=previous, entropy=random.token(16))
        entry = as_entry(record)
        entries.append(replace(entry, private=None, salt=b"") if number in erased else entry)
        previous = record.hash
    return entries


def a_checkpoint(entry, key=KEY, installation=INSTALLATION):
    """A checkpoint at this entry."""
    return make_checkpoint(key, installation=installation, sequence=entry.sequence, hash=entry.hash, at=entry.at)


def an_export(entries, *, every=4, key=KEY, whole=True, private=True):
    """The lines of an export with a checkpoint at every so many records, and at the last one."""
    header = Header(installation=INSTALLATION, at=START, whole=whole, private=private, query={}, keys=(key.public,))
    writer = Writer(header, key)
    lines = [writer.begin()]
    for entry in entries:
        lines.append(writer.write(entry))
        if whole and (entry.sequence % every == 0 or entry is entries[-1]):
            lines.append(writer.write(a_checkpoint(entry, key)))
    lines.append(writer.end())
    return [line.encode("ascii") for line in lines]
