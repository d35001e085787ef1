"""What an incident asks for, connected to a town."""

from doorward.errors import UnavailableError
from doorward.flows.break_glass import BreakGlass
from doorward.flows.decisions import Decisions
from doorward.flows.lockdown import Lockdowns
from doorward.flows.safekeeping import Safekeeping


class KitNote:
    """`flows.break_glass.KitNote` that keeps what was written; `broken` makes it fail."""

    def __init__(self):
        self.entries = []
        self.broken = False
        self.spent = set()

    def write(self, entries):
        if self.broken:
            raise UnavailableError("the disk is full")
        self.entries = list(entries)

    def find_spent(self):
        return frozenset(self.spent)


def connect_incident(town):
    """The flows of incidents; the town keeps what they asked of others: `rotated`, `alarms`."""
    town.rotated, town.alarms, town.kit_note = 0, [], KitNote()

    async def rotate(_transaction, _now):
        town.rotated += 1

    async def alarm(_transaction, kind, about, values, _now):
        town.alarms.append((kind, about, dict(values)))

    return {
        "safekeeping": Safekeeping(records=town.store.records),
        "break_glass": BreakGlass(
            records=town.store.records,
            opening=town.opening,
            throttle=town.throttle,
            keyring=town.keyring,
            random=town.random,
            tally=town.tally,
            alarm=alarm,
            note=town.kit_note,
            draw_qr=lambda code, title: f"<svg><title>{title}</title>{len(code)}</svg>",
        ),
        "decisions": Decisions(records=town.store.records, most=1000),
        "lockdowns": Lockdowns(
            records=town.store.records,
            opening=town.opening,
            find_ways=town.ways.find,
            rotate=rotate,
            alarm=alarm,
            notify=town.notify,
        ),
    }
