"""All flows together: what the doors are given."""

from dataclasses import dataclass

from doorward.flows.account import Account
from doorward.flows.admin import Administration
from doorward.flows.login import SignIn
from doorward.flows.logout import SignOut
from doorward.flows.setup import Setup


@dataclass(frozen=True, slots=True)
class Flows:
    """The flows, connected to the world by `app`."""

    sign_in: SignIn
    sign_out: SignOut
    setup: Setup
    account: Account
    administration: Administration
