"""`doorward invite`: links with which guests make accounts."""

from datetime import datetime
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, accepted, in_house, spell_instant, tell, tell_table
from doorward.errors import InputError
from doorward.flows.admin import CLI
from doorward.flows.invites import Made
from doorward.rules.invite import Invite, InviteId, InviteState
from doorward.rules.span import parse_span

commands = typer.Typer(
    help="Invitations. What is taken back here counts at once, also at a running server.", no_args_is_help=True
)

_NEVER: Final = "never"
_UNLIMITED: Final = "unlimited"
_COLUMNS: Final = ("id", "state", "uses", "max_uses", "expires_at", "groups", "email", "note")


@commands.command("create")
def create(
    uses: Annotated[str, typer.Option(help=f"How many accounts it is good for, or `{_UNLIMITED}`.")] = "1",
    expires: Annotated[str, typer.Option(help=f"How long it is good for: 24h, 7d, or `{_NEVER}`.")] = "7d",
    group: Annotated[list[str] | None, typer.Option(help="A group the guest is put in; may be repeated.")] = None,
    email: Annotated[str, typer.Option(help="The guest's address; the account gets exactly this one.")] = "",
    note: Annotated[str, typer.Option(help="What it is for. The guest reads it, too.")] = "",
    language: Annotated[str, typer.Option(help="The language of the mail.")] = "en",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make an invitation, and print its link, once. With --email it is also sent there, where mail is set up."""
    lifetime = None if expires == _NEVER else parse_span(expires)
    most = None if uses == _UNLIMITED else _read_count(uses)

    async def act(house: House) -> tuple[Made, dict[str, object]]:
        now = house.clock.now()
        made = accepted(
            await house.flows.invites.make(
                CLI,
                max_uses=most,
                lifetime=lifetime,
                groups=group or (),
                email=email,
                note=note,
                language=language,
                now=now,
            )
        )
        return made, _describe(made.invite, made.invite.state(now))

    made, row = in_house(config, act)
    sent = f"\nIt is on its way to {made.invite.email}." if made.mailed else ""
    told = f"{made.url}\nThis link is shown only here.{sent}"
    tell(told, {**row, "url": made.url, "mailed": made.mailed}, as_json=json)


@commands.command("list")
def list_invites(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List all invitations, the newest first. Their links are not shown again."""

    async def act(house: House) -> list[dict[str, object]]:
        found = await house.flows.invites.list_states(CLI, now=house.clock.now())
        return [_describe(invite, state) for invite, state in found]

    tell_table(in_house(config, act), _COLUMNS, empty="There are no invitations.", as_json=json)


@commands.command("revoke")
def revoke(
    invite: Annotated[str, typer.Argument(metavar="ID", help="The invitation's id, from `invite list`.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take an invitation back. Accounts that were made with it stay."""

    async def act(house: House) -> tuple[Invite, datetime]:
        now = house.clock.now()
        return await house.flows.invites.revoke(CLI, InviteId(invite), now=now), now

    revoked, now = in_house(config, act)
    tell("The invitation is taken back.", _describe(revoked, revoked.state(now)), as_json=json)


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise InputError(f"{text!r} is neither a number of accounts nor `{_UNLIMITED}`")
    return int(text[:9])


def _describe(invite: Invite, state: InviteState) -> dict[str, object]:
    return {
        "id": invite.id,
        "state": state.value,
        "uses": invite.uses,
        "max_uses": _UNLIMITED if invite.max_uses is None else invite.max_uses,
        "made_at": spell_instant(invite.made_at),
        "expires_at": _NEVER if invite.expires_at is None else spell_instant(invite.expires_at),
        "groups": sorted(invite.groups),
        "email": invite.email,
        "note": invite.note,
    }
