"""`doorward reset-password`: the way back for somebody who is locked out, the last administrator included (A-17)."""

from pathlib import Path
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import (
    ConfigOption,
    JsonOption,
    NameArgument,
    accepted,
    describe_user,
    find_user,
    in_house,
    spell_instant,
    tell,
)
from doorward.errors import Clash, ConflictError
from doorward.flows.admin import CLI
from doorward.flows.recovery import Link
from doorward.rules.identity import User
from doorward.rules.temporary import SEED_SIZE, make_temporary_password

_CLOSED: Final = "passwords are closed; `doorward sign-in passwords on` opens them"


def reset_password(
    name: NameArgument,
    disable_otp: Annotated[
        bool,
        typer.Option("--disable-otp", help="Take the authenticator app, passkeys and recovery codes away, too."),
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link to set a new password instead. Until then the old one stays.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Print a temporary password, once. The next sign-in asks for a new one; all sessions of the account have ended.

    A second factor is still asked for, unless it is taken away.
    """
    if link:
        _hand_out(name, disable_otp=disable_otp, config=config, as_json=json)
        return

    async def act(house: House) -> tuple[User, str, bool]:
        administration, now = house.flows.administration, house.clock.now()
        user = await find_user(house, name)
        password = make_temporary_password(house.random.token(SEED_SIZE), min_length=house.config.password.min_length)
        if disable_otp:
            await administration.reset_factors(CLI, user.name, now=now)
        changed = await administration.set_password(CLI, user.name, password, must_change=True, now=now)
        return accepted(changed), password, await house.flows.ways.is_password_open()

    user, password, is_open = in_house(config, act)
    lines = [
        f"Temporary password of {user.name}: {password}",
        "It is shown only here. The next sign-in asks for a new one; all sessions of the account have ended.",
    ]
    if disable_otp:
        lines.append("The account has no second factor any more.")
    if not is_open:
        lines.append(f"It opens nothing yet: {_CLOSED}.")
    if not user.enabled:
        lines.append(f"The account is disabled; `doorward user enable {user.name}` lets it sign in.")
    tell("\n".join(lines), {**describe_user(user), "temporary_password": password}, as_json=json)


def _hand_out(name: str, *, disable_otp: bool, config: Path | None, as_json: bool) -> None:
    async def act(house: House) -> tuple[User, Link]:
        administration, now = house.flows.administration, house.clock.now()
        user = await find_user(house, name)
        # Before anything is done, which the link alone would refuse too late.
        if not await house.flows.ways.is_password_open():
            raise ConflictError(_CLOSED, Clash.PASSWORDS_CLOSED)
        # Before the link is made: whatever takes rights away makes earlier links worthless.
        if disable_otp:
            await administration.reset_factors(CLI, user.name, now=now)
        await administration.end_sessions_of(CLI, user.name, now=now)
        made = await house.flows.recovery.hand_out(CLI, user.name, now=now)
        return await find_user(house, user.name), made

    user, made = in_house(config, act)
    until = spell_instant(made.expires_at)
    lines = [
        made.url,
        f"Whoever has this link can set a new password for {user.name}, once, until {until}.",
        "It is shown only here. All sessions of the account have ended.",
    ]
    if disable_otp:
        lines.append("The account has no second factor any more.")
    tell("\n".join(lines), {**describe_user(user), "url": made.url, "expires_at": until}, as_json=as_json)
