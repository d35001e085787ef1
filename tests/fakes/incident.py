"""What an incident asks for, connected to a town."""

from doorward.flows.decisions import Decisions
from doorward.flows.lockdown import Lockdowns


def connect_incident(town):
    """The flows of incidents; the town keeps what they asked of others: `rotated`, `alarms`."""
    town.rotated, town.alarms = 0, []

    async def rotate(_transaction, _now):
        town.rotated += 1

    async def alarm(_transaction, kind, about, values, _now):
        town.alarms.append((kind, about, dict(values)))

    return {
        "decisions": Decisions(records=town.store.records, most=1000),
        "lockdowns": Lockdowns(
            records=town.store.records, opening=town.opening, find_ways=town.ways.find, rotate=rotate, alarm=alarm
        ),
    }
