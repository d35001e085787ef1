"""`doorward key`: keys for apps, of people and of services."""

from datetime import datetime
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_instant, tell, tell_table
from doorward.errors import ConflictError, InputError, NotFoundError, TamperError
from doorward.flows.admin import CLI
from doorward.flows.app_keys import KeyPlace, KeyQuery, NewKey
from doorward.rules.app_key import ApiScope, AppKey, KeyId, KeyKind, tell_reach
from doorward.rules.identity import User
from doorward.rules.key_wish import KeyWish, is_live
from doorward.rules.span import parse_span

commands = typer.Typer(
    help="Keys for phones, scripts and feeds. What is taken back here opens nothing at a running server's very next "
    "check.",
    no_args_is_help=True,
)

_NEVER: Final = "never"
_COLUMNS: Final = ("id", "user", "name", "kind", "opens", "scopes", "state", "made", "expires", "last_used", "uses")
_KINDS: Final = ", ".join(f"`{kind.value}`" for kind in KeyKind)
_SCOPES: Final = ", ".join(f"`{scope.value}`" for scope in ApiScope)

AppOption = Annotated[list[str] | None, typer.Option(help="An app that it opens, by name; may be repeated.")]
UserOption = Annotated[str | None, typer.Option("--user", help="Those of one account: user name or e-mail address.")]
ForAppOption = Annotated[str, typer.Option("--app", help="Those for one app.")]
KindOption = Annotated[str, typer.Option("--kind", help=f"Those of one kind: {_KINDS}.")]
UnusedOption = Annotated[str, typer.Option("--unused-for", metavar="SPAN", help="Not used for so long: 90d.")]
OlderOption = Annotated[str, typer.Option("--older-than", metavar="SPAN", help="Made longer ago: 365d.")]


@commands.command("create")
def create(
    user: Annotated[str, typer.Option("--user", help="Whose key it is: a person's or a service's user name.")],
    name: Annotated[str, typer.Option(help="What to call it: the device or program, 1 to 50 characters.")],
    app: AppOption = None,
    host: Annotated[list[str] | None, typer.Option(help="A host that it opens; may be repeated.")] = None,
    path: Annotated[
        list[str] | None, typer.Option(help="Only this path, and what is below it; may be repeated.")
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Only this method; may be repeated.")] = None,
    network: Annotated[list[str] | None, typer.Option(help="Only from this network; may be repeated.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"What it may do with Doorward's own API: {_SCOPES}; may be repeated.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only to read: GET, HEAD and OPTIONS.")] = False,
    in_url: Annotated[
        bool, typer.Option("--in-url", help="It may stand in an address, where the app allows it.")
    ] = False,
    expires: Annotated[
        str, typer.Option(help="How long it lasts: 90d, or `never`.", show_default="api_keys.default_lifetime")
    ] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key for somebody, and print it, once. Its owner is told by mail."""
    lifetime = parse_span(expires) if expires not in ("", _NEVER) else None
    scopes = frozenset(_read_scope(each) for each in scope or ())

    async def act(house: House) -> tuple[NewKey, dict[str, object]]:
        now = house.clock.now()
        wish = KeyWish(
            name=name,
            apps=tuple(app or ()),
            hosts=tuple(host or ()),
            paths=tuple(path or ()),
            methods=tuple(method or ()),
            networks=tuple(network or ()),
            scopes=scopes,
            read_only=read_only,
            in_url=in_url,
            expires_at=None if lifetime is None else now + lifetime,
            forever=expires == _NEVER,
        )
        new = await house.flows.app_keys.create_for(None, user, wish, now=now)
        if not isinstance(new, NewKey):
            raise ConflictError("there are no new keys while the gateway is locked down")
        (row,) = await _list(house, KeyQuery(login=user), only=new.key.id)
        return new, row

    new, row = in_house(config, act)
    tell(f"{new.text}\nThis key is shown only here.", {**row, "key": new.text}, as_json=json)


@commands.command("list")
def list_keys(
    user: UserOption = None,
    app: ForAppOption = "",
    kind: KindOption = "",
    asleep: Annotated[
        bool | None, typer.Option("--asleep/--awake", help="Those that were put to sleep, or the others.")
    ] = None,
    unused_for: UnusedOption = "",
    older_than: OlderOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List keys, the newest first. No key is ever shown again."""

    async def act(house: House) -> list[dict[str, object]]:
        return await _list(house, _query(house.clock.now(), user, app, kind, asleep, unused_for, older_than))

    tell_table(in_house(config, act), _COLUMNS, empty="There are no such keys.", as_json=json)


@commands.command("revoke")
def revoke(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY...", help="Ids, from `key list`.")] = None,
    user: UserOption = None,
    app: ForAppOption = "",
    kind: KindOption = "",
    unused_for: UnusedOption = "",
    older_than: OlderOption = "",
    everything: Annotated[bool, typer.Option("--all", help="All keys of everybody.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take keys back: by their ids, or all that fit. Their owners are told by mail."""

    async def act(house: House) -> int:
        now, flow = house.clock.now(), house.flows.app_keys
        query = _query(now, user, app, kind, None, unused_for, older_than)
        if not keys:
            return await flow.revoke_where(CLI, query, everything=everything, now=now)
        if everything or not query.is_everything:
            raise InputError("name keys, or say which, but not both")
        count = await flow.revoke_any(CLI, [KeyId(each) for each in keys], now=now)
        if not count:
            raise NotFoundError("there is no such key; `doorward key list` lists them")
        return count

    count = in_house(config, act)
    tell(f"{count} {'key was' if count == 1 else 'keys were'} taken back.", {"revoked": count}, as_json=json)


@commands.command("wake")
def wake(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The id, from `key list`.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Let a key that was put to sleep count again."""

    async def act(house: House) -> dict[str, object]:
        woken = await house.flows.app_keys.wake_any(CLI, KeyId(key), now=house.clock.now())
        (row,) = await _list(house, KeyQuery(), only=woken.id)
        return row

    row = in_house(config, act)
    tell(f"{row['name']} of {row['user']} counts again.", row, as_json=json)


def _query(
    now: datetime, user: str | None, app: str, kind: str, asleep: bool | None, unused_for: str, older_than: str
) -> KeyQuery:
    return KeyQuery(
        login=user,
        app=app,
        kind=_read_kind(kind) if kind else None,
        asleep=asleep,
        unused_since=now - parse_span(unused_for) if unused_for else None,
        made_before=now - parse_span(older_than) if older_than else None,
    )


def _read_kind(text: str) -> KeyKind:
    try:
        return KeyKind(text)
    except ValueError:
        raise InputError(f"{text!r} is no kind of key: {_KINDS}") from None


def _read_scope(text: str) -> ApiScope:
    try:
        return ApiScope(text)
    except ValueError:
        raise InputError(f"{text!r} is no scope: {_SCOPES}") from None


async def _list(house: House, query: KeyQuery, *, only: KeyId | None = None) -> list[dict[str, object]]:
    now = house.clock.now()
    found = await house.flows.app_keys.list_all(CLI, query)
    return [_describe(house, key, user, now) for key, user in found if only in (None, key.id)]


def _describe(house: House, key: AppKey, user: User, now: datetime) -> dict[str, object]:
    place = _find_place(house, key)
    return {
        "id": key.id,
        "user": user.name,
        "service": user.is_service,
        "name": key.name,
        "kind": key.kind.value,
        "preview": key.preview,
        "state": "live" if is_live(key, now) else "asleep" if key.disabled_at is not None else "expired",
        "opens": [*key.apps, *key.hosts],
        **tell_reach(key),
        "made": spell_instant(key.made_at),
        "made_by": key.made_by,
        "expires": spell_instant(key.expires_at) if key.expires_at is not None else _NEVER,
        "last_used": spell_instant(key.last_used_at) if key.last_used_at is not None else _NEVER,
        "last_address": place.address,
        "last_agent": place.agent,
        "uses": key.uses,
    }


def _find_place(house: House, key: AppKey) -> KeyPlace:
    try:
        return house.flows.app_keys.find_last_use(key)
    except TamperError:
        return KeyPlace("unreadable", "unreadable")
