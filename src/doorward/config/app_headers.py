"""What one app is sent besides the identity headers: headers by template, and a name and password."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import PlainValidator
from typing_extensions import override

from doorward.config.values import read_text, refuse
from doorward.errors import InputError
from doorward.rules.app_header import AppHeader, parse_basic, parse_header

_MAPPING = 'write {X-WEBAUTH-USER: "{user}"}'
_BASIC = "write {user: admin, secret: NAME}, and set it with `doorward app-secret set NAME`"
_MOST = 32


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """A header as it was written, and what it means."""

    name: str
    text: str
    header: AppHeader

    @override
    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class BasicEntry:
    """A name, and the name of the secret that is shown as its password."""

    user: str
    secret: str
    header: AppHeader


def parse_templates(value: object) -> tuple[HeaderTemplate, ...]:
    """Read `{NAME: TEMPLATE}`, or a list of `NAME: TEMPLATE`. A name may stand once, whatever its letter case."""
    if isinstance(value, tuple | list):
        pairs = [_split(item) for item in value]
    elif isinstance(value, Mapping):
        pairs = [(str(name), template) for name, template in value.items()]
    else:
        raise refuse("this is not headers and what they hold", _MAPPING)
    if len(pairs) > _MOST:
        raise refuse(f"an app is sent at most {_MOST} headers of its own", _MAPPING)
    read: dict[str, HeaderTemplate] = {}
    for name, written in pairs:
        text = read_text(written, f"put what {name} holds in quotes")
        try:
            header = parse_header(name, text)
        except InputError as error:
            raise refuse(f"{name}: {error}", _MAPPING) from None
        if header.name in read:
            raise refuse(f"{name} stands twice: letter case makes no difference in a header's name", "keep one of them")
        read[header.name] = HeaderTemplate(name, text, header)
    return tuple(read.values())


def parse_basic_entry(value: object) -> BasicEntry | None:
    """Read `{user: TEMPLATE, secret: NAME}`."""
    if value is None or isinstance(value, BasicEntry):
        return value
    if not isinstance(value, Mapping) or set(value) != {"user", "secret"}:
        raise refuse("this is not a name and a secret", _BASIC)
    user, secret = read_text(value["user"], "put the name in quotes"), read_text(value["secret"], _BASIC)
    try:
        return BasicEntry(user, secret, parse_basic(user, secret))
    except InputError as error:
        raise refuse(str(error), _BASIC) from None


def _split(item: object) -> tuple[str, object]:
    if isinstance(item, HeaderTemplate):
        return item.name, item.text
    name, colon, template = read_text(item, _MAPPING).partition(":")
    if not colon:
        raise refuse(f"{name!r} is not a header and what it holds", _MAPPING)
    return name.strip(), template.strip()


Templates = Annotated[tuple[HeaderTemplate, ...], PlainValidator(parse_templates)]
Basic = Annotated[BasicEntry | None, PlainValidator(parse_basic_entry)]
