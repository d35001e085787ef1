"""Files of accounts: told apart, opened and read."""

import io
from pathlib import Path
from typing import Final

from doorward.app.parts import Parts
from doorward.config.source import MAX_BYTES, Document, read_document
from doorward.errors import InputError
from doorward.flows.importing import Importing, Read, Source
from doorward.flows.letters import Outbox
from doorward.interfaces import Random
from doorward.rules.importing import Form, Origin, Problem, Reading

MOST_BYTES: Final = MAX_BYTES
"""Of a file of accounts."""
_AGE: Final = b"age-encryption.org/"
_NAME: Final = "admin"
"""What the account of a Traefik Manager is called unless somebody says otherwise."""


def connect_importing(parts: Parts, *, outbox: Outbox | None) -> Importing:
    """Import and export of accounts."""
    return Importing(
        records=parts.storage.records, keyring=parts.keyring, random=parts.random, read=read_source, outbox=outbox
    )


def read_source(source: Source, skip: frozenset[str] = frozenset()) -> Read:
    """Read a file of accounts. Nothing of it is built that is too deep, too long or multiplies itself.

    What is wrong with the accounts named in `skip` is no problem.
    """
    # What reads files is loaded when there is one: a server that nobody moves into does without.
    from doorward.rules import authelia_file, users_file

    raw = source.raw
    if len(raw) > MAX_BYTES:
        raise InputError(f"the file has {len(raw)} bytes; at most {MAX_BYTES} are read")
    if source.origin is Origin.DOORWARD or (source.origin is None and raw.lstrip()[:1] == b"{"):
        return Read(Origin.DOORWARD, users_file.read_users(raw, skip))
    document = read_document(raw, {}, name="the file")
    origin = source.origin or _find_origin(document)
    if document.findings:
        problems = (Problem(finding.path, finding.message, finding.hint) for finding in document.findings)
        return Read(origin, Reading(problems=tuple(problems)))
    if origin is Origin.AUTHELIA:
        return Read(origin, authelia_file.read_authelia(document.tree, skip))
    return Read(origin, _read_traefik_manager(document, source))


def _read_traefik_manager(document: Document, source: Source) -> Reading:
    from doorward.rules import traefik_manager_file

    unseal = None
    if source.fernet_key:
        from doorward.outside.fernet import open_fernet

        try:
            unseal = open_fernet(source.fernet_key)
        except InputError as error:
            form = Form()
            form.refuse("the Fernet key", str(error))
            return form.finish((), "manager.yml")
    return traefik_manager_file.read_traefik_manager(
        document.tree,
        name=source.name or _NAME,
        email=source.email,
        unseal=unseal,
        without_totp=source.without_totp,
    )


def _find_origin(document: Document) -> Origin:
    if "users" in document.tree:
        return Origin.AUTHELIA
    if "password_hash" in document.tree:
        return Origin.TRAEFIK_MANAGER
    raise InputError("nobody can tell what this file is; say it with --from")


def seal_users(content: bytes, passphrase: str, random: Random) -> bytes:
    """Encrypt an export in the age format, for whoever has the passphrase."""
    from doorward.outside.age import AgeWriter
    from doorward.rules.backup import Readers

    written = io.BytesIO()
    writer = AgeWriter(written.write, Readers(passphrase=passphrase), random)
    writer.write(content)
    writer.finish()
    return written.getvalue()


def open_users(content: bytes, passphrase: str) -> bytes:
    """What stands in a file: decrypted where it is encrypted."""
    if not content.startswith(_AGE):
        return content
    if not passphrase:
        raise InputError("this file is encrypted: give --passphrase-file or --passphrase-stdin")
    from doorward.outside.age import read_age
    from doorward.rules.backup import Openers

    try:
        return b"".join(read_age(io.BytesIO(content), Openers(passphrase=passphrase)))
    except InputError:
        raise InputError("the file does not open with this passphrase, or is damaged") from None


def write_out(path: Path, content: bytes) -> None:
    """Write a new file for its owner alone; InputError where it is there already."""
    from doorward.outside.private_file import write_new

    write_new(path, content)
