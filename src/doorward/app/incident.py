"""What an incident asks for, connected: lockdown, evidence, the ways in that are kept for the worst."""

from datetime import datetime

from doorward.app.alerts import build_alerts
from doorward.app.parts import Parts
from doorward.flows.break_glass import BreakGlass
from doorward.flows.lockdown import FindWays, Lockdowns
from doorward.flows.notify import Notify
from doorward.flows.opening import Opening
from doorward.flows.stored_keys import replace_session_key
from doorward.flows.throttle import Throttle
from doorward.interfaces import Transaction
from doorward.outside.kit_file import KitFile
from doorward.outside.qr import draw_qr


def connect_lockdowns(parts: Parts, *, opening: Opening, find_ways: FindWays, notify: Notify) -> Lockdowns:
    """The flow of lockdowns."""

    async def rotate(transaction: Transaction, now: datetime) -> None:
        await replace_session_key(transaction, parts.keyring, parts.random, now)

    alarm = build_alerts(parts).raise_alert
    return Lockdowns(
        records=parts.storage.records,
        opening=opening,
        find_ways=find_ways,
        rotate=rotate,
        alarm=alarm,
        notify=notify,
    )


def connect_break_glass(parts: Parts, *, opening: Opening, throttle: Throttle) -> BreakGlass:
    """The flow of break-glass kits."""
    return BreakGlass(
        records=parts.storage.records,
        opening=opening,
        throttle=throttle,
        keyring=parts.keyring,
        random=parts.random,
        tally=parts.counts,
        alarm=build_alerts(parts).raise_alert,
        note=KitFile(parts.storage.path.parent),
        draw_qr=draw_qr,
    )
