"""`/admin/safekeeping`: how everything stands that is kept for the worst, with the way to each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from doorward.flows.acting import actor_of
from doorward.flows.safekeeping import Safekeeping
from doorward.rules.chore import Chore
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Row:
    """One state. `words` say it, or `at` does; `bad`: somebody should look. `trouble` is as it was told."""

    title: str
    href: str
    words: str = ""
    at: datetime | None = None
    bad: bool = False
    trouble: str = ""


class SafekeepingPage:
    """The overview. `exists`: whether there is a page at a path."""

    def __init__(self, desk: Desk, safekeeping: Safekeeping, exists: Callable[[str], bool]) -> None:
        self._desk = desk
        self._safekeeping = safekeeping
        self._exists = exists

    async def get(self, visit: Visit) -> Response:
        """Show how it stands."""
        view = await self._safekeeping.look(actor_of(subject_of(visit), visit.visitor))
        locked = view.lockdown is not None
        rows = [
            Row("Lockdown", "/admin/incident", "in force" if locked else "none", bad=locked),
            Row("Break-glass kits", "/admin/incident", "made" if view.kits else "nobody has one", bad=not view.kits),
            Row("Key of session cookies", "/admin/keys", at=view.signing_key_at),
            _of_chore("Last backup", "/admin/backups", view.backup),
            _of_chore("Last restore that was proven", "/admin/backups", view.drill),
            _of_chore("Record found whole", "/admin/audit", view.verifying),
            Row("Last checkpoint of the record", "/admin/audit", "never", view.checkpoint_at),
            Row("Alerts that reached nobody", "/admin/alerts", "some" if view.untold else "none", bad=view.untold > 0),
            Row("Decisions of the gate", "/admin/decisions", "counted by day"),
        ]
        return self._desk.page(
            visit,
            "safekeeping.html",
            here="safekeeping",
            has_forms=True,
            rows=[(row, self._exists(row.href)) for row in rows],
        )


def _of_chore(title: str, href: str, chore: Chore) -> Row:
    return Row(
        title, href, "never", chore.done_at, bad=chore.done_at is None or bool(chore.trouble), trouble=chore.trouble
    )
