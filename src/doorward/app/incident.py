"""What an incident asks for, connected: lockdown, evidence, the ways in that are kept for the worst."""

from datetime import datetime

from doorward.app.parts import Parts
from doorward.flows.alerts import Alerts
from doorward.flows.lockdown import FindWays, Lockdowns
from doorward.flows.opening import Opening
from doorward.interfaces import Transaction


def connect_lockdowns(parts: Parts, *, opening: Opening, find_ways: FindWays) -> Lockdowns:
    """The flow of lockdowns."""

    async def rotate(transaction: Transaction, now: datetime) -> None:
        """Sessions are dead by their generation already."""

    alarm = Alerts(keyring=parts.keyring, random=parts.random).raise_alert
    return Lockdowns(records=parts.storage.records, opening=opening, find_ways=find_ways, rotate=rotate, alarm=alarm)
