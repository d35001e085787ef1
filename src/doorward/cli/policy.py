"""`doorward policy`: what is decided for everybody."""

from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, tell
from doorward.flows.admin import CLI
from doorward.flows.policies import PolicyView
from doorward.rules.mfa import MfaRequired
from doorward.rules.registration import Mode

commands = typer.Typer(
    help="What is decided for everybody. What is set here counts at once, also at a running server, and stands above "
    "the configuration file.",
    no_args_is_help=True,
)

_FILE: Final = "file"
_WORDS: Final = "One of {}, or `" + _FILE + "` to leave it to the configuration file."
_MFA_HELP: Final = _WORDS.format(", ".join(f"`{each.value}`" for each in MfaRequired))
_MODE_HELP: Final = _WORDS.format(", ".join(f"`{each.value}`" for each in Mode))
_SET_BY: Final = {"file": "the configuration file", "setting": "the command line or the console"}


@commands.command("show")
def show(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show who needs a second factor and who may register, and the administrators without a second factor."""

    async def act(house: House) -> PolicyView:
        return await house.flows.policies.find(CLI)

    _tell(in_house(config, act), as_json=json)


@commands.command("mfa")
def set_mfa(
    word: Annotated[str, typer.Argument(metavar="WORD", help=_MFA_HELP)],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say who must have a second factor. Those of whom it asks more than before sign in again."""

    async def act(house: House) -> PolicyView:
        policies = house.flows.policies
        await policies.set_mfa(CLI, None if word == _FILE else word, now=house.clock.now())
        return await policies.find(CLI)

    _tell(in_house(config, act), as_json=json)


@commands.command("registration")
def set_registration(
    word: Annotated[str, typer.Argument(metavar="WORD", help=_MODE_HELP)],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say who may make an account."""

    async def act(house: House) -> PolicyView:
        policies = house.flows.policies
        await policies.set_registration(CLI, None if word == _FILE else word, now=house.clock.now())
        return await policies.find(CLI)

    _tell(in_house(config, act), as_json=json)


def _tell(view: PolicyView, *, as_json: bool) -> None:
    names = [user.name for user in view.unprotected]
    lines = [
        f"Second factor: {view.mfa.value}. (Said by {_SET_BY[view.mfa_set_by]}.)",
        f"Registration: {view.registration.value}. (Said by {_SET_BY[view.registration_set_by]}.)",
    ]
    if names:
        lines.append(f"Administrators without a second factor: {', '.join(names)}.")
    value = {
        "mfa": view.mfa.value,
        "mfa_set_by": view.mfa_set_by,
        "registration": view.registration.value,
        "registration_set_by": view.registration_set_by,
        "administrators_without_second_factor": names,
    }
    tell("\n".join(lines), value, as_json=as_json)
