"""`doorward sign-in`: the ways of signing in."""

from enum import Enum
from typing import Annotated

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, tell
from doorward.flows.admin import CLI
from doorward.rules.ways import PasswordWay

commands = typer.Typer(
    help="Ways of signing in. What is switched here counts at once, also at a running server.", no_args_is_help=True
)


class Wish(Enum):
    """What one may want of passwords."""

    ON = "on"
    OFF = "off"
    AUTO = "auto"
    STATUS = "status"


_WANTED = {Wish.ON: True, Wish.OFF: False, Wish.AUTO: None}


@commands.callback()
def _ways() -> None:
    """Ways of signing in. What is switched here counts at once, also at a running server."""


@commands.command("passwords")
def passwords(
    wish: Annotated[
        Wish, typer.Argument(help="`auto` leaves it to the configuration file (`authn.password`).", show_default=False)
    ],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Switch signing in with a password on or off, or say how it stands.

    Off takes effect while a provider is enabled and an administrator has signed in through one; on, always.
    """

    async def act(house: House) -> PasswordWay:
        if wish is Wish.STATUS:
            return await house.flows.ways.describe_password()
        return await house.flows.ways.set_password(CLI, _WANTED[wish], now=house.clock.now())

    way = in_house(config, act)
    state = "open" if way.open else "closed"
    where = "the configuration file" if way.set_by == "file" else "the command line or the console"
    tell(
        f"Passwords are {state}. {way.because} (Said by {where}.)",
        {"open": way.open, "wanted": way.wanted, "because": way.because, "set_by": way.set_by},
        as_json=json,
    )
