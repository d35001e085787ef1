"""The settings of special ways of knowing who somebody is: by the network, or by a proxy's word."""

from typing import Annotated

from pydantic import Field, PlainValidator

from doorward.config.section import Section
from doorward.config.values import Many, NetworkValue, refuse
from doorward.errors import InputError
from doorward.rules.names import parse_user_name


def parse_account(value: object) -> str:
    """The user name of an account."""
    if value == "":
        return ""
    try:
        return parse_user_name(value if isinstance(value, str) else "\0")
    except InputError as error:
        raise refuse(str(error), "write alice") from None


class SingleUserSection(Section):
    """One account for whoever comes from certain networks, without signing in. For apps only, and never with rights.

    Whatever asks for a second factor, a passkey or a recent sign-in asks for a real one, and so do our own pages.
    """

    user: Annotated[str, PlainValidator(parse_account)] = Field(
        default="",
        description="The account's user name. One that is missing, disabled, waiting, an administrator or for the "
        "console only counts as nobody.",
    )
    networks: Many[NetworkValue] = Field(
        default=(),
        description="Where visitors must come from. A proxy's own address is nobody's, so that a proxy that does not "
        "say who asks lets nobody in.",
    )
