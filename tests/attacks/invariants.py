"""What holds after every attack, whatever it was: the ten lines on top of docs/attacks.md, asserted.

A test about faults on purpose (a store that cannot write, data that was changed) says `faults=True`; then, and only
then, an answer may be 5xx and the log may speak of a failure.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from doorward.rules.audit import Act, AuditEvent, AuditRecord, verify_link
from doorward.storage.sql.tables import from_micros
from tests.attacks.stage import HOSTS, Note, Stage, handed_out
from tests.attacks.wire import Answer

_LEADS = re.compile(rb'(?:href|src|action|content)="(?:[0-9]+; *url=)?(?:[a-z]+:)?//([^/"?#]*)', re.IGNORECASE)
"""The host of every absolute address that a page of ours leads to."""
CHECKS = re.compile(rb"[A-Za-z]+ /api/auth(?:z|/forwardauth)")
REFRESH = re.compile(rb'http-equiv="refresh" content="[0-9]+; url=([^"]*)"', re.IGNORECASE)
_DEPARTS = re.compile(rb"GET /login[? ]|POST /(?:login/with|account/link|logout) ")
"""What may be answered with the way to a provider."""
_COMES_BACK = re.compile(
    rb"(?:GET|POST|PUT|PATCH|DELETE|PROPFIND|OPTIONS) /(?:login/callback/[a-z0-9][a-z0-9-]{0,31}|api/auth/login|api/auth/oidc/callback)[? ]"
)
_STEPS = re.compile(rb"(?:GET|POST) /login/(?:factor|recovery-code|new-password|enrol|codes|passkey)[/? ]")
"""The steps of a sign-in after the first proof, and in their forms the ticket."""
_LINKS = re.compile(rb"(?:GET|HEAD|POST) /(?:reset|account/email|register|register/mail)[? ]")
_ASKS_FIRST = re.compile(rb'method="post" action="/(?:reset|account/email|register|register/mail)"')
"""Where links of mails lead, and the forms they lead to."""
_FOR_EVERYBODY = re.compile(rb"(GET|HEAD) /\.well-known/jwks\.json ")
"""Public keys: caches may keep them."""
_FRAMED = re.compile(rb"GET /logout/frontchannel/")
_BEGUN: Final = frozenset({Act.LOGIN, Act.REAUTHENTICATED, Act.KIT_USED})
_ASKS_PROVIDER = re.compile(_DEPARTS.pattern + b"|" + _COMES_BACK.pattern)
_PROVES = (
    (re.compile(rb"POST /(?:login|account/password)[? ]"), b'type="password"'),
    (re.compile(rb"POST /login/(?:factor|recovery-code|passkey)[? ]"), b'name="ticket"'),
)
"""Where something is proven, and what stands on the form for it."""
OPEN_HOSTS = (b"pub.example.test", b"lan.example.test", b"cors.example.test")
"""Hosts with something that rules let anybody have; `cors` for preflights only."""
FORWARDED = ("x-forwarded-user-email", "x-forwarded-user-name", "x-forwarded-user-groups")
REMOTE = ("remote-user", "remote-email", "remote-name", "remote-groups")
IDENTITY = FORWARDED + REMOTE
SECURITY_HEADERS = {
    "x-content-type-options": b"nosniff",
    "x-frame-options": b"SAMEORIGIN",
    "referrer-policy": b"strict-origin-when-cross-origin",
    "cross-origin-opener-policy": b"same-origin",
}


@contextmanager
def attacked(stage: Stage, *, faults: bool = False) -> Iterator[Stage]:
    """Run an attack, then assert the invariants."""
    stage.journal.clear()
    log = stage.log_size()
    last = stage.query("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
    sessions = _fingerprints(stage)
    counters = _failures(stage)
    yield stage
    for note in stage.journal:
        check_answer(stage, note, faults=faults)
    check_log(stage, stage.log_since(log), faults=faults)
    # Who changes the password goes on with another session, which is no sign-in.
    given = [
        value
        for note in stage.journal
        if not note.sent.startswith(b"POST /account/password ")
        for value in handed_out(note.answer)
    ]
    known = {hashlib.sha256(value.partition(b".")[0]).digest() for value in stage.issued}
    assert _fingerprints(stage) - sessions <= known, "there is a session that nobody was given"  # 6
    records = check_audit(stage, *(last[0] if last else (0, bytes(32))))
    begun = [record for record in records if record.event.act in _BEGUN]
    failed = [record for record in records if record.event.act is Act.LOGIN_FAILED and not _is_upstream(record)]
    withdrawn = [record for record in records if _is_withdrawn(record, begun)]
    assert len(begun) == len(given) + len(withdrawn), f"{len(given)} sign-ins, {len(begun)} records of one"  # 10
    if not faults:
        # The failure that locks is answered with the wait.
        locked = [record for record in records if record.event.act is Act.LOGIN_LOCKED]
        assert len(failed) == len(locked) + sum(_is_failure(note) for note in stage.journal)  # 10
    if not given:
        assert counters <= _failures(stage) | _expired(stage, counters), (
            "failures were forgotten without a sign-in"
        )  # 8


def check_answer(stage: Stage, note: Note, *, faults: bool) -> None:
    """Invariants 1 to 5 for one exchange."""
    answer, sent = note.answer, note.sent
    shown = f"{answer.status} to {sent[:400]!r}"
    # A provider that answers badly is not our failure, and its part is told by the status that is for that.
    asks_provider = _ASKS_PROVIDER.match(sent) is not None
    assert faults or answer.status < 500 or (asks_provider and answer.status == 502), shown  # 2
    check_secrets(stage, answer, shown)  # 5
    targets = [target for name in ("location", "x-doorward-login") if (target := answer.one(name).decode("ascii"))]
    targets += [unescape(target.decode()) for target in REFRESH.findall(answer.body)]
    abroad = stage.abroad if _DEPARTS.match(sent) else set()
    for target in targets:  # 4
        parts = urlsplit(target)
        if parts.netloc in abroad:
            continue
        assert parts.scheme == "https", f"{target}: {shown}"
        assert parts.netloc.removesuffix(".example.test") in HOSTS, f"{target}: {shown}"
    for host in _LEADS.findall(answer.body):  # 4, on a page
        assert host.decode() in abroad or host.decode().removesuffix(".example.test") in HOSTS, f"{host!r}: {shown}"
    is_check = CHECKS.match(sent) is not None
    if is_check and 200 <= answer.status < 300:
        check_allow(note, shown)  # 1, 3
        return
    assert not any(answer.all(name) for name in IDENTITY), f"identity on {shown}"
    if answer.status:
        # What is refused as a request is so before anybody knows for which page it was.
        came_back = _COMES_BACK.match(sent) is not None and answer.status != 431
        secretive = came_back or (abroad and _leads_abroad(answer, abroad))
        changed = {"referrer-policy": [b"no-referrer"]} if secretive else {}
        if _STEPS.match(sent) and b'name="ticket"' in answer.body and b'action="/login"' not in answer.body:
            # The ticket stands in the address, as it does nowhere on the way to the first proof: no path is told, and
            # the origin still is, which forms are known by.
            changed = {"referrer-policy": [b"strict-origin"]}
        if _LINKS.match(sent) and (_ASKS_FIRST.search(answer.body) or (sent[:4] == b"HEAD" and answer.status == 200)):
            changed = {"referrer-policy": [b"strict-origin"]}
        if _FRAMED.match(sent) and answer.status == 200:
            # The one page that somebody else frames: the provider that it is for, and there is nothing on it.
            changed["x-frame-options"] = []
            assert answer.body == b"<!doctype html><html lang=en><title>Signed out</title>", shown
        for name, value in SECURITY_HEADERS.items():
            assert answer.all(name) == changed.get(name, [value]), f"{name} on {shown}"
        kept = b"/static/" in sent or (_FOR_EVERYBODY.match(sent) is not None and answer.status == 200)
        assert kept or answer.all("cache-control") == [b"no-store"], f"cache-control on {shown}"


def check_allow(note: Note, shown: str) -> None:
    """An allow is an empty 200 that names the owner of the live session in the request, once; or nobody, where open."""
    answer = note.answer
    assert answer.status == 200, shown
    assert answer.body == b"", shown
    removed = set(answer.one("x-envoy-auth-headers-to-remove").decode("ascii").split(","))
    values = {}
    for name in IDENTITY:
        found = answer.all(name)
        assert len(found) == 1 or (not found and name in removed), f"{name}: {found} on {shown}"
        values[name] = found[0].decode("ascii") if found else ""
    if values["x-forwarded-user-email"]:
        assert values["x-forwarded-user-email"] in note.owners, f"{values} but the session is of {note.owners}: {shown}"
        assert values["remote-email"] == values["x-forwarded-user-email"], shown
    else:
        assert not any(values.values()), f"{values}: {shown}"
        assert any(host in note.sent.lower() for host in OPEN_HOSTS), f"anonymous and allowed: {shown}"


def check_secrets(stage: Stage, answer: Answer, shown: str) -> None:
    """No secret in a body, and none in a header but where it is handed out."""
    # What somebody typed as a name stands in that field again; it was seen while it was typed.
    body = re.sub(rb'(name="login"[^>]* value=)"[^"]*"', rb"\1", answer.body)
    told = b"\n".join([body, *(value for name, value in answer.headers if name != b"set-cookie")])
    assert stage.find_secrets(told, one_time=False) == set(), shown


def check_log(stage: Stage, text: str, *, faults: bool) -> None:
    """One JSON object a line (no input forges one), nothing that failed inside, no secret, nothing endless."""
    assert stage.find_secrets(text.encode("utf-8")) == set(), "in the log"
    for line in text.splitlines():
        event = json.loads(line)
        assert len(line) < 8192, line[:200]
        assert {"at", "level", "event"} <= event.keys(), line
        assert faults or event["level"] not in {"error", "critical"}, line


def check_audit(stage: Stage, sequence: int, previous: bytes) -> list[AuditRecord]:
    """The records since then: numbered without gaps, each linked to the one before, without secrets."""
    rows = stage.query(
        "SELECT sequence, act, actor, subject, at, public, private, private_digest, previous, hash "
        "FROM audit WHERE sequence > ? ORDER BY sequence",
        sequence,
    )
    records = []
    for row in rows:
        sequence += 1
        public, (private, salt) = json.loads(row[5]), stage.open_private(row[0], row[6])
        event = AuditEvent(Act(row[1]), row[2], row[3], from_micros(row[4]), public, private)
        record = AuditRecord(row[0], event, salt, row[7], row[8], row[9])
        assert row[0] == sequence
        assert verify_link(record, previous), f"the chain breaks at {sequence}"
        told = f"{row[2]} {row[3]} {row[5]} {json.dumps(private)}".encode()
        assert stage.find_secrets(told) == set(), "in the audit"
        records.append(record)
        previous = record.hash
    return records


def count_files(pid: int) -> int:
    """How many files and sockets a process holds open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def count_memory(pid: int) -> int:
    """Resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _is_failure(note: Note) -> bool:
    # Whoever was wrong sees the form again; what is refused for another reason sees something else.
    for path, field in _PROVES:
        if path.match(note.sent):
            return note.answer.status == 403 and field in note.answer.body
    return False


def _leads_abroad(answer: Answer, abroad: set[str]) -> bool:
    return any(urlsplit(unescape(target.decode())).netloc in abroad for target in REFRESH.findall(answer.body))


def _is_upstream(record: AuditRecord) -> bool:
    return record.event.public.get("method") == "fed"


def _is_withdrawn(record: AuditRecord, begun: list[AuditRecord]) -> bool:
    """Whether this says that a sign-in that was written down came to nothing: a provider closed in that moment."""
    event = record.event
    late = event.public.get("failure") in {"provider_gone", "signed_out"} and _is_upstream(record)
    return late and event.act is Act.LOGIN_FAILED and any(each.event.subject == event.subject for each in begun)


def _fingerprints(stage: Stage) -> set[bytes]:
    return {row[0] for row in stage.query("SELECT fingerprint FROM sessions")}


def _failures(stage: Stage) -> set[tuple[int, int]]:
    rows = stage.query("SELECT id, expires_at FROM counters WHERE key LIKE 'login_failures:%' OR key LIKE 'login:%'")
    return set(rows)


def _expired(stage: Stage, counters: set[tuple[int, int]]) -> set[tuple[int, int]]:
    # What the hourly broom may take: instants whose time is over by the clock of the machine.
    now = stage.query("SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)")[0][0]
    return {pair for pair in counters if pair[1] <= now}
