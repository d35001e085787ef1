"""`doorward reset-password`: the way back for somebody who is locked out, the last administrator included (A-17)."""

from typing import Annotated

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
    tell,
)
from doorward.flows.admin import CLI
from doorward.rules.identity import User
from doorward.rules.temporary import SEED_SIZE, make_temporary_password


def reset_password(
    name: NameArgument,
    disable_otp: Annotated[
        bool,
        typer.Option("--disable-otp", help="Take the authenticator app, passkeys and recovery codes away, too."),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Print a temporary password, once. The next sign-in asks for a new one; all sessions of the account have ended.

    A second factor is still asked for, unless it is taken away.
    """

    async def act(house: House) -> tuple[User, str]:
        administration, now = house.flows.administration, house.clock.now()
        user = await find_user(house, name)
        password = make_temporary_password(house.random.token(SEED_SIZE), min_length=house.config.password.min_length)
        if disable_otp:
            await administration.reset_factors(CLI, user.name, now=now)
        changed = await administration.set_password(CLI, user.name, password, must_change=True, now=now)
        return accepted(changed), password

    user, password = in_house(config, act)
    lines = [
        f"Temporary password of {user.name}: {password}",
        "It is shown only here. The next sign-in asks for a new one; all sessions of the account have ended.",
    ]
    if disable_otp:
        lines.append("The account has no second factor any more.")
    if not user.enabled:
        lines.append(f"The account is disabled; `doorward user enable {user.name}` lets it sign in.")
    tell("\n".join(lines), {**describe_user(user), "temporary_password": password}, as_json=json)
