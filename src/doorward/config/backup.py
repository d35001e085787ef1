"""The settings of backups."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from doorward.config.section import Line, Section
from doorward.config.values import Duration, Many, SecretValue, Text, Whole, read_text, refuse
from doorward.config.words import KeyValue
from doorward.errors import InputError
from doorward.rules.age_key import parse_recipient
from doorward.rules.outbound import parse_destination


def parse_recipient_text(value: object) -> str:
    """Read a public key of age; what is kept is its text."""
    hint = "age-keygen prints it, or age-keygen -y KEYFILE"
    text = read_text(value, hint)
    try:
        parse_recipient(text)
    except InputError as error:
        raise refuse(str(error), hint) from None
    return text


def parse_bucket(value: object) -> str:
    """Read the address of a bucket; a slash at its end is left out."""
    hint = "write https://minio.example.com/bucket"
    text = read_text(value, hint).rstrip("/")
    if not text:
        return ""
    try:
        parse_destination(text, insecure_http=True)
    except InputError as error:
        raise refuse(f"{text!r}: {error}", hint) from None
    if "?" in text or "#" in text:
        raise refuse(f"{text!r} has something after the path", hint)
    return text


Recipient = Annotated[str, PlainValidator(parse_recipient_text)]


class BackupDrill(Section):
    """Proving that backups restore: the newest is restored into a scratch place and all of it looked at."""

    schedule: Literal["off", "hourly", "daily", "weekly", "monthly"] = Field(
        default="weekly", description="How often. Only where backups are made on schedule, and can be read here."
    )
    hour: Whole = Field(default=4, ge=0, le=23, description="At which hour (UTC), unless `hourly`.")
    weekday: Whole = Field(default=6, ge=0, le=6, description="With `weekly`: 0 is Monday, 6 is Sunday.")
    day: Whole = Field(default=1, ge=1, le=28, description="With `monthly`: on which day.")


class BackupBucket(Section):
    """Storage elsewhere that speaks S3: each backup is put there as well. Deleting there is the bucket's own business.

    It is called like providers are (`outbound`): a name of your own network has to be allowed there.
    """

    url: Annotated[str, PlainValidator(parse_bucket)] = Field(
        default="",
        description="The address of the bucket: `https://BUCKET.s3.eu-central-1.amazonaws.com`, or "
        "`https://minio.example.com/BUCKET`. Unset: none.",
    )
    region: Line = Field(default="us-east-1", description="Its region; many servers take any.")
    prefix: Line = Field(default="", description="What the names there begin with, such as `doorward/`.")
    access_key: Line = Field(default="", description="The access key. One that may only write is enough.")
    secret_key: SecretValue | None = Field(default=None, description="Its secret.")


class BackupSection(Section):
    """Backups: made online, encrypted, and deleted when their time is over. They never hold the master key."""

    folder: Text = Field(
        default="",
        description="Where they are kept, readable by us alone. Unset: `backups` in the folder `storage.path`. Never "
        "below anything that a web server serves.",
    )
    schedule: Literal["off", "hourly", "daily", "weekly", "monthly"] = Field(default="off", description="How often.")
    hour: Whole = Field(default=2, ge=0, le=23, description="At which hour (UTC), unless `hourly`.")
    weekday: Whole = Field(default=6, ge=0, le=6, description="With `weekly`: 0 is Monday, 6 is Sunday.")
    day: Whole = Field(default=1, ge=1, le=28, description="With `monthly`: on which day.")
    keep_days: Whole = Field(
        default=7, ge=0, le=36500, description="All backups stay so many days; 0: they stay until you delete them."
    )
    keep_daily: Whole = Field(
        default=7, ge=0, le=1000, description="Besides, the newest of each of so many days stays."
    )
    keep_weekly: Whole = Field(default=4, ge=0, le=1000, description="And the newest of each of so many weeks.")
    keep_monthly: Whole = Field(default=12, ge=0, le=1000, description="And the newest of each of so many months.")
    encryption: Literal["age", "none"] = Field(
        default="age",
        description="`age`: for `recipients` or with `passphrase`, so that `age -d` opens them. `none`: anybody who "
        "gets at the files can read accounts and addresses; what is sealed stays sealed.",
    )
    recipients: Many[Recipient] = Field(
        default=(), description="Public keys of age (`age1…`) of those who may read. Their private keys stay elsewhere."
    )
    passphrase: SecretValue | None = Field(
        default=None, description="A passphrase in place of recipients, of 16 characters or more."
    )
    identity: KeyValue | None = Field(
        default=None,
        description="A private key of age (`AGE-SECRET-KEY-1…`) of one of the recipients, for restoring and drills on "
        "this machine.",
    )
    command: tuple[Text, ...] = Field(
        default=(),
        description="A program to run after each backup, with its arguments, such as `[rclone, copy, '{path}', "
        "'remote:backups']`. Without a shell; `{path}` is the file.",
    )
    command_timeout: Duration = Field(default=timedelta(minutes=10), description="How long it may take.")
    s3: BackupBucket = BackupBucket()
    drill: BackupDrill = BackupDrill()
