"""The settings of alerts: what operators are told of, where, and how often."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, PlainValidator

from doorward.config.finding import Finding
from doorward.config.section import Section
from doorward.config.values import Duration, Many, Secret, SecretValue, Whole, parse_secret, read_text, refuse
from doorward.errors import InputError
from doorward.rules.alert import AlertKind
from doorward.rules.alert_target import parse_target

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_KINDS: Final = ", ".join(f"`{kind.value}`" for kind in AlertKind)
_OFTEN: Final = frozenset({AlertKind.NEW_DEVICE, AlertKind.LOCKED_OUT})


def parse_kind(value: object) -> AlertKind:
    """A kind of alert, by its word."""
    if isinstance(value, AlertKind):
        return value
    try:
        return AlertKind(value)
    except ValueError:
        raise refuse(f"{value!r} is no kind of alert", f"write one of {_KINDS}") from None


def parse_target_name(value: object) -> str:
    """What a target is called, in lists and answers."""
    hint = "write phone, or ops-room: small letters, digits and dashes"
    text = read_text(value, hint)
    if not _NAME.fullmatch(text):
        raise refuse(f"{text!r} is not a name for a target", hint)
    return text


def parse_target_url(value: object) -> Secret:
    """The address of a target. It mostly holds a token, so it is a secret as a whole."""
    secret = parse_secret(value)
    try:
        parse_target(secret.reveal())
    except InputError as error:
        raise refuse(str(error)) from None
    return secret


KindValue = Annotated[AlertKind, PlainValidator(parse_kind)]
Kinds = Annotated[Many[KindValue], Field()]


class AlertTarget(Section):
    """One service that alerts are sent to."""

    name: Annotated[str, PlainValidator(parse_target_name)] = Field(
        description="What lists and answers call it: small letters, digits and dashes."
    )
    url: Annotated[SecretValue, PlainValidator(parse_target_url)] = Field(
        description="Its address as Apprise writes it: `ntfys://ntfy.example.com/topic`, `gotifys://host/token`, "
        "`discord://id/token`, `slack://…`, `tgram://…`, `matrixs://…`, `mailtos://…`, `jsons://host/path` and others. "
        "Addresses on private networks, other ports than 443, and plain HTTP only where `outbound.allow` names them."
    )
    kinds: Kinds = Field(default=(), description=f"Only these kinds: {_KINDS}. Unset: all.")


def check_alerts(alerts: "Alerts") -> Iterator[Finding]:
    """Two targets of one name could not be told apart."""
    names = [target.name for target in alerts.targets]
    for position, name in enumerate(names):
        if name in names[:position]:
            yield Finding(f"alerts.targets[{position}].name", f"another target is called {name!r}, too")


class Alerts(Section):
    """What operators are told of, besides what they look for themselves."""

    targets: tuple[AlertTarget, ...] = Field(default=(), description="Services that alerts are sent to.")
    mail: Kinds = Field(
        default=tuple(kind for kind in AlertKind if kind not in _OFTEN),
        description="The kinds that are mailed to every administrator with an e-mail address, where mail is on. "
        "`[]`: none.",
    )
    quiet: Kinds = Field(default=(), description="The kinds that are told nobody and kept nowhere.")
    burst_accounts: Whole = Field(
        default=20, ge=2, le=500, description="From how many accounts on failed sign-ins are told as a burst."
    )
    burst_within: Duration = Field(default=timedelta(minutes=10), description="The time in which they fail.")
    language: Literal["en", "de"] = Field(
        default="en", description="The language of what is sent to targets. Mails are in the reader's own."
    )
    per_kind: Whole = Field(
        default=10, ge=1, le=1000, description="Alerts of one kind within an hour; what is more is told as a number."
    )
    overall: Whole = Field(
        default=30,
        ge=1,
        le=1000,
        description="Alerts of all kinds within an hour. What must not wait is told all the same: "
        + ", ".join(f"`{kind.value}`" for kind in AlertKind if kind.is_urgent)
        + ".",
    )
