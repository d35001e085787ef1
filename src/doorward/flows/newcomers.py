"""What counts for whoever comes anew, by whichever way: read in the transaction that makes the account."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from doorward.flows.letters import Outbox, tell, tell_time
from doorward.interfaces import Transaction
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.registration import MODE_SETTING, Mode, decide_mode


@dataclass(frozen=True, slots=True)
class Newcomers:
    """The mode of registration, whether an administrator looks first, and how administrators hear that one waits."""

    mode_in_file: Callable[[], Mode]
    approval: Callable[[], bool]
    outbox: Outbox
    public_url: str

    async def find_mode(self, transaction: Transaction) -> Mode:
        """The mode that counts at this moment. In a lockdown only administrators make accounts."""
        if await transaction.find_setting(LOCKDOWN_SETTING) is not None:
            return Mode.CLOSED
        return decide_mode(await transaction.find_setting(MODE_SETTING), self.mode_in_file())

    async def announce(self, transaction: Transaction, user: User, now: datetime) -> None:
        """Tell the administrators that this account waits for one of them."""
        for administrator in await transaction.list_administrators():
            if administrator.enabled:
                values = {"who": user.name, "at": tell_time(now), "url": f"{self.public_url}/admin/users"}
                await tell(self.outbox, transaction, LetterKind.REGISTRATION_WAITS, administrator, now, values)
