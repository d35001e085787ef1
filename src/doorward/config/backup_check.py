"""What may not stand together about backups."""

from collections.abc import Iterator
from typing import Final

from doorward.config.finding import Finding
from doorward.config.schema import Config
from doorward.errors import InputError
from doorward.rules.age_key import parse_identity

_LEAST_PASSPHRASE: Final = 16


def check_backup(config: Config) -> Iterator[Finding]:
    """Problems, with which nothing may start."""
    backup = config.backup
    passphrase = backup.passphrase.reveal() if backup.passphrase else ""
    if backup.recipients and passphrase:
        yield Finding("backup.passphrase", "a backup is for recipients or has a passphrase, not both", "remove one")
    if passphrase and len(passphrase) < _LEAST_PASSPHRASE:
        yield Finding("backup.passphrase", f"it is shorter than {_LEAST_PASSPHRASE} characters", "make a longer one")
    if backup.encryption == "none" and (backup.recipients or passphrase):
        place = "backup.recipients" if backup.recipients else "backup.passphrase"
        yield Finding(
            "backup.encryption", f"nothing is encrypted with `none`, but there is {place}", "remove one of them"
        )
    if backup.encryption == "age" and backup.schedule != "off" and not backup.recipients and not passphrase:
        yield Finding(
            "backup.schedule",
            "backups are to be encrypted, but there is nobody who could read them",
            "set backup.recipients to a public key that age-keygen prints, or backup.passphrase_file",
        )
    if backup.identity is not None:
        try:
            parse_identity(backup.identity.reveal())
        except InputError as error:
            yield Finding("backup.identity", str(error), "give the file that age-keygen wrote as backup.identity_file")
    if backup.s3.url and not (backup.s3.access_key and backup.s3.secret_key):
        yield Finding("backup.s3", "without access_key and secret_key nothing can be put there", "set both")
    if backup.command and not any("{path}" in word for word in backup.command):
        yield Finding("backup.command", "no word of it is {path}, so it would not get the backup", "add '{path}'")


def note_backup(config: Config) -> Iterator[Finding]:
    """What an operator should know."""
    backup = config.backup
    if backup.encryption == "none":
        yield Finding(
            "backup.encryption", "backups are not encrypted: accounts and addresses stand there readable", "write age"
        )
    if backup.schedule != "off" and backup.drill.schedule != "off" and backup.recipients and backup.identity is None:
        yield Finding(
            "backup.drill.schedule",
            "no private key of the recipients is on this machine, so that no backup can be tried here",
            "set backup.identity_file, or try one elsewhere now and then and set this to off",
            calm=True,
        )
