"""`doorward`, hashing passwords in no time: for crowds, where what is tried is who comes first and not the hash.

The numbers that service allows begin at a hash for which fifty at once would keep two cores busy for many seconds.
"""

import sys

from doorward.app import house
from doorward.cli import main
from doorward.interfaces import Random
from doorward.outside.hasher import Algorithm, PooledHasher

HASTY = (sys.executable, __file__)
"""What `serving` starts instead of `doorward`."""
_LEAST = 4


def hash_hastily(random: Random, *, algorithm: Algorithm, cost: int) -> PooledHasher:
    """The hasher, at the least that bcrypt can do."""
    return PooledHasher(random, algorithm=algorithm, cost=min(cost, _LEAST))


if __name__ == "__main__":
    house.PooledHasher = hash_hastily  # type: ignore[misc, assignment]
    main()
