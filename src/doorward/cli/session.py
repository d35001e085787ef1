"""`doorward session`: who is signed in."""

from typing import Annotated

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_instant, tell, tell_table
from doorward.errors import InputError, NotFoundError
from doorward.flows.admin import CLI
from doorward.rules.identity import User
from doorward.rules.session import Session, SessionHandle

commands = typer.Typer(
    help="Sessions. What is ended here is refused at a running server's very next check.", no_args_is_help=True
)

UserOption = Annotated[str | None, typer.Option("--user", help="Those of one account: user name or e-mail address.")]
_ELSEWHERE = (
    "with `storage.type: local` sessions are in the memory of the running server, which no other program sees; "
    "its page /admin/sessions shows them, and `doorward session end --user NAME` ends all of an account's"
)


@commands.command("list")
def list_sessions(
    user: UserOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 200,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List live sessions, last seen first."""

    async def act(house: House) -> list[tuple[Session, User]]:
        _check_visible(house)
        return await house.flows.administration.list_sessions(CLI, now=house.clock.now(), login=user, limit=limit)

    rows = [_describe(session, account) for session, account in in_house(config, act)]
    columns = ("handle", "user", "address", "started", "last_seen", "remembered", "user_agent")
    tell_table(rows, columns, empty="Nobody is signed in.", as_json=json)


@commands.command("end")
def end(
    handle: Annotated[str | None, typer.Argument(help="The session's handle, from `session list`.")] = None,
    user: UserOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """End one session, or with --user all sessions of an account."""

    async def act(house: House) -> int:
        flow, now = house.flows.administration, house.clock.now()
        if user is not None and handle is None:
            return await flow.end_sessions_of(CLI, user, now=now)
        if handle is None or user is not None:
            raise InputError("name a session's handle, or an account with --user")
        _check_visible(house)
        if not await flow.end_session(CLI, SessionHandle(handle), now=now):
            raise NotFoundError("there is no such session")
        return 1

    ended = in_house(config, act)
    # Where sessions live in the server's memory, nobody can count them from here.
    tell("The session has ended." if handle else f"All sessions of {user} have ended.", {"ended": ended}, as_json=json)


def _check_visible(house: House) -> None:
    if house.config.storage.type == "local":
        raise InputError(_ELSEWHERE)


def _describe(session: Session, user: User) -> dict[str, object]:
    return {
        "handle": session.handle,
        "user": user.name,
        "address": session.address,
        "started": spell_instant(session.created_at),
        "last_seen": spell_instant(session.last_seen_at),
        "expires": spell_instant(session.expires_at),
        "remembered": session.remembered,
        "methods": sorted(method.value for method in session.methods),
        "user_agent": session.user_agent,
    }
