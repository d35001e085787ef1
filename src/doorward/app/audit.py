"""The audit record, connected: the flow that looks at it, what looks after it, and where its checkpoints go."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Final

from doorward.app.alerts import build_alerts
from doorward.app.parts import Parts
from doorward.app.settings import open_fetch, open_mailer
from doorward.config.schema import Config
from doorward.errors import UnavailableError
from doorward.flows.audit_trail import AuditTrail
from doorward.flows.audit_watch import AuditWatch, CopyOut, Send
from doorward.interfaces import Clock, Records
from doorward.rules.audit import SEALED, Act, AuditEvent
from doorward.rules.checkpoint import Pace

_AT_ONCE: Final = 500
_MAILED: Final = (
    "This is a checkpoint of the audit record of {host}. Keep it: doorward audit verify --checkpoint shows with it "
    "whether records were cut off or made anew."
)


def build_trail(parts: Parts) -> AuditTrail:
    """Looking at the record."""
    point = parts.config.audit.checkpoint
    return AuditTrail(
        records=parts.storage.records,
        keyring=parts.keyring,
        random=parts.random,
        pace=Pace(point.records, point.interval),
        is_sent=point.is_sent,
    )


def build_watch(parts: Parts, trail: AuditTrail) -> AuditWatch:
    """Looking after it."""
    config = parts.config
    return AuditWatch(
        records=parts.storage.records,
        trail=trail,
        places=_open_places(config, parts.clock),
        copy_out=_open_copy(config.audit.copy_to),
        alarm=build_alerts(parts).raise_alert,
        log=parts.log,
    )


async def seal_old_records(records: Records, *, now: datetime) -> int:
    """Seal what an older version left readable, once; how many records. Cut off anywhere, the next start goes on."""
    async with records.transaction() as transaction:
        if await transaction.find_setting(SEALED):
            return 0
    count = after = 0
    while True:
        async with records.transaction() as transaction:
            sealed, last = await transaction.seal_old_audit(after=after, limit=_AT_ONCE)
            count += sealed
            if not last:
                if count:
                    public = {"count": str(count)}
                    await transaction.append_audit(AuditEvent(Act.AUDIT_SEALED, "system", "system", now, public))
                await transaction.put_setting(SEALED, now.isoformat())
                return count
            after = last


def _open_places(config: Config, clock: Clock) -> dict[str, Send]:
    """Where checkpoints go. What it takes is imported when there is one to send."""
    point, places = config.audit.checkpoint, dict[str, Send]()
    if point.file:
        places["file"] = lambda line: _append(Path(point.file), [line])
    if point.command:
        places["command"] = lambda line: _run(point.command, line)
    if point.webhook is not None:
        url = point.webhook.reveal()
        places["webhook"] = lambda line: _post(config, url, line)
    if point.mail:
        places["mail"] = lambda line: _mail(config, clock, line)
    return places


def _open_copy(target: str) -> CopyOut | None:
    if not target:
        return None
    return _print if target == "stdout" else lambda lines: _append(Path(target), lines)


async def _append(path: Path, lines: Sequence[str]) -> None:
    from doorward.outside.anchors import append_lines

    await append_lines(path, lines)


async def _print(lines: Sequence[str]) -> None:
    from doorward.outside.anchors import print_lines

    await print_lines(lines)


async def _run(words: Sequence[str], line: str) -> None:
    from doorward.outside.anchors import run_program

    await run_program(words, line)


async def _post(config: Config, url: str, line: str) -> None:
    from doorward.outside.anchors import post_line

    await post_line(open_fetch(config), url, line)


async def _mail(config: Config, clock: Clock, line: str) -> None:
    mailer, host = open_mailer(config, clock), config.server.public_host
    if mailer is None:
        raise UnavailableError("no mail is set up")
    name = hashlib.sha256(line.encode()).hexdigest()[:32]
    text = f"{_MAILED.format(host=host)}\n\n{line}"
    for index, to in enumerate(config.audit.checkpoint.mail):
        subject = f"Audit checkpoint of {host}"
        html = f"<p>{_MAILED.format(host=host)}</p><pre>{escape(line)}</pre>"
        await mailer.send(to=to, subject=subject, text=text, html=html, message_id=f"<{name}.{index}@{host}>")
