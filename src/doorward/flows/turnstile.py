"""What is counted where it comes in, before anybody looks at what it asks for: acts of administrators.

D-22, D-24, D-26 and D-27.
"""

from datetime import datetime

from doorward.flows.outcome import Refused
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Tally
from doorward.rules.login import Failure


class Turnstile:
    """Counts acts. Pages and API ask it for each, so that neither is a way around the other."""

    def __init__(self, *, throttle: Throttle, tally: Tally) -> None:
        self._throttle = throttle
        self._tally = tally

    async def count_act(self, visitor: Visitor, *, also: Bucket | None = None, now: datetime) -> Refused | None:
        """Count what an administrator sets out to do; Refused (THROTTLED) where it was too much.

        `also`: what it counts for besides, such as what cannot be undone.
        """
        buckets = (Bucket.ADMIN,) if also is None else (Bucket.ADMIN, also)
        for bucket in buckets:
            spent = await self._throttle.spend(bucket, visitor, now=now)
            if not spent.allowed:
                self._tally.count_limited(bucket.value)
                return Refused(Failure.THROTTLED, spent.retry_after)
        return None
