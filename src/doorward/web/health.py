"""Whether we live, and whether we can answer: `/healthz` and `/readyz`."""

from collections.abc import Awaitable, Callable
from enum import Enum

from doorward.errors import UnavailableError

Probe = Callable[[], Awaitable[None]]
"""Asks the storage for something small; UnavailableError when it does not answer."""


class State(Enum):
    """Where the process stands in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Health:
    """`state` is set by whoever starts and stops the process."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.state = State.STARTING

    async def find_trouble(self) -> str:
        """Why no visitor should be sent here now; "" when everything is well."""
        if self.state is not State.SERVING:
            return str(self.state.value)
        try:
            await self._probe()
        except UnavailableError:
            return "storage"
        return ""
