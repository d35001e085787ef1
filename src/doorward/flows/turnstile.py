"""What is counted where it comes in, before anybody looks at what it asks for: acts of administrators (D-24, D-27)."""

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

    async def count_act(self, visitor: Visitor, *, destructive: bool = False, now: datetime) -> Refused | None:
        """Count what an administrator sets out to do; Refused (THROTTLED) where it was too much.

        `destructive`: what cannot be undone counts for that, too.
        """
        buckets = (Bucket.ADMIN, Bucket.DESTRUCTIVE) if destructive else (Bucket.ADMIN,)
        for bucket in buckets:
            spent = await self._throttle.spend(bucket, visitor, now=now)
            if not spent.allowed:
                self._tally.count_limited(bucket.value)
                return Refused(Failure.THROTTLED, spent.retry_after)
        return None
