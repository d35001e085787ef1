"""The export of audit records: JSON Lines that another machine can verify with the public key alone.

The first line says what is exported, the last one, signed, what was: which records and checkpoints, and the digest of
all lines before it. Between them stand the records in order, and each checkpoint after the record it is about. Every
line has exactly one spelling.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from doorward.errors import InputError
from doorward.rules.audit import AuditEntry, spell_at
from doorward.rules.checkpoint import Checkpoint, SigningKey, fingerprint, is_signed, parse_public_key
from doorward.rules.ranges import Ranges, parse_ranges
from doorward.rules.strict_json import parse_object

FORMAT: Final = "doorward-audit-1"
_DOMAIN: Final = b"doorward-audit-export-v1"
MOST_LINE: Final = 16 * 1024 * 1024
"""The last line names every record: half a million that stand apart are some seven million letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is exported. `whole`: every record from the first on; otherwise those that fit `query`.

    `private`: whether personal data goes along where it is not erased.
    """

    installation: str
    at: datetime
    whole: bool
    private: bool
    query: Mapping[str, str]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What was exported: the numbers of records, of those without personal data, and of checkpoints; and digests.

    Of the header, and of all lines before this one.
    """

    records: str
    bare: str
    checkpoints: str
    header: bytes
    digest: bytes
    signed_by: str
    signature: bytes = b""


Line = Header | AuditEntry | Checkpoint | End


def write_line(line: Line, *, installation: str = "") -> str:
    """One line, with its end. A checkpoint says of which installation it is, for it also goes out alone."""
    match line:
        case Header():
            content: dict[str, object] = {
                "kind": FORMAT,
                "installation": line.installation,
                "at": spell_at(line.at),
                "whole": line.whole,
                "private": line.private,
                "query": dict(line.query),
                "keys": list(line.keys),
            }
        case AuditEntry():
            content = {
                "kind": "record",
                "sequence": line.sequence,
                "at": spell_at(line.at),
                "act": line.act,
                "actor": line.actor,
                "subject": line.subject,
                "public": dict(line.public),
                "private": None if line.private is None else dict(line.private),
                "salt": None if line.private is None else line.salt.hex(),
                "digest": line.digest.hex(),
                "previous": line.previous.hex(),
                "hash": line.hash.hex(),
            }
        case Checkpoint():
            content = {
                "kind": "checkpoint",
                "installation": installation,
                "sequence": line.sequence,
                "at": spell_at(line.at),
                "hash": line.hash.hex(),
                "key": line.signed_by,
                "signature": line.signature.hex(),
            }
        case _:
            content = {
                "kind": "end",
                "records": line.records,
                "bare": line.bare,
                "checkpoints": line.checkpoints,
                "header": line.header.hex(),
                "digest": line.digest.hex(),
                "key": line.signed_by,
                "signature": line.signature.hex(),
            }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"


def read_line(raw: bytes) -> tuple[Line, str]:
    """What a line says, and for a checkpoint of which installation. InputError where no export has such a line."""
    found = parse_object(raw, limit=MOST_LINE)
    try:
        line, installation = _read(found)
        again = write_line(line, installation=installation)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError("no export has such a line") from error
    if again.encode("ascii") != raw:
        raise InputError("no export spells a line like this")
    return line, installation


def _read(found: Mapping[str, Any]) -> tuple[Line, str]:
    kind = found["kind"]
    if kind == "record":
        private = found["private"]
        return (
            AuditEntry(
                sequence=_whole(found["sequence"]),
                at=_instant(found["at"]),
                act=_text(found["act"]),
                actor=_text(found["actor"]),
                subject=_text(found["subject"]),
                public=_texts(found["public"]),
                private=None if private is None else _texts(private),
                salt=b"" if private is None else bytes.fromhex(found["salt"]),
                digest=bytes.fromhex(found["digest"]),
                previous=bytes.fromhex(found["previous"]),
                hash=bytes.fromhex(found["hash"]),
            ),
            "",
        )
    if kind == "checkpoint":
        point = Checkpoint(
            sequence=_whole(found["sequence"]),
            at=_instant(found["at"]),
            hash=bytes.fromhex(found["hash"]),
            signed_by=_text(found["key"]),
            signature=bytes.fromhex(found["signature"]),
        )
        return point, _text(found["installation"])
    if kind == "end":
        end = End(
            records=parse_ranges(found["records"]).spell(),
            bare=parse_ranges(found["bare"]).spell(),
            checkpoints=parse_ranges(found["checkpoints"]).spell(),
            header=bytes.fromhex(found["header"]),
            digest=bytes.fromhex(found["digest"]),
            signed_by=_text(found["key"]),
            signature=bytes.fromhex(found["signature"]),
        )
        return end, ""
    if kind == FORMAT:
        header = Header(
            installation=_text(found["installation"]),
            at=_instant(found["at"]),
            whole=_truth(found["whole"]),
            private=_truth(found["private"]),
            query=_texts(found["query"]),
            keys=tuple(_key(key) for key in found["keys"]),
        )
        return header, ""
    raise ValueError("an unknown kind of line")


class Writer:
    """Writes an export, line by line."""

    def __init__(self, header: Header, key: SigningKey) -> None:
        self._header = header
        self._key = key
        self._digest = hashlib.sha256()
        self._head = b""
        self._records = Ranges()
        self._bare = Ranges()
        self._points = Ranges()

    def begin(self) -> str:
        """The first line."""
        line = self._write(self._header)
        self._head = self._digest.digest()
        return line

    def write(self, line: AuditEntry | Checkpoint) -> str:
        """A record or a checkpoint."""
        if isinstance(line, Checkpoint):
            self._points.add(line.sequence)
        else:
            self._records.add(line.sequence)
            if not self._header.private:
                line = replace(line, private=None, salt=b"")
            if line.private is None:
                self._bare.add(line.sequence)
        return self._write(line)

    def end(self) -> str:
        """The last line."""
        end = End(
            records=self._records.spell(),
            bare=self._bare.spell(),
            checkpoints=self._points.spell(),
            header=self._head,
            digest=self._digest.digest(),
            signed_by=fingerprint(self._key.public),
        )
        return write_line(replace(end, signature=self._key.sign(_message(end))))

    def _write(self, line: Line) -> str:
        text = write_line(line, installation=self._header.installation)
        self._digest.update(text.encode("ascii"))
        return text


def is_genuine_end(end: End, keys: Mapping[str, str]) -> bool:
    """Whether one of `keys` (fingerprint to public key) signed it."""
    public = keys.get(end.signed_by)
    return public is not None and is_signed(public, _message(replace(end, signature=b"")), end.signature)


def _message(end: End) -> bytes:
    return _DOMAIN + write_line(end).encode("ascii")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _key(value: object) -> str:
    key = parse_public_key(_text(value))
    if key != value:
        raise ValueError("a key has one spelling")
    return key


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return {_text(name): _text(text) for name, text in value.items()}


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise TypeError("not a number of a record")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a truth value")
    return value


def _instant(value: object) -> datetime:
    return datetime.fromisoformat(_text(value)).astimezone(UTC)
