"""Places on earth, as far as an address tells, and whether somebody can have been in two of them (E-73)."""

from dataclasses import dataclass
from datetime import timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Final

FASTEST: Final = 1000.0
"""Kilometres an hour: a little more than an airliner flies, airports not counted."""
NEAREST: Final = 500.0
"""Kilometres below which nothing is said: databases place many addresses in the next big city."""
_EARTH: Final = 6371.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address is said to be. Names are "" where nothing is known; so is the point on earth, by None.

    `radius`: how many kilometres it may be off.
    """

    city: str = ""
    region: str = ""
    country: str = ""
    point: tuple[float, float] | None = None
    radius: float = 0.0

    @property
    def words(self) -> str:
        """City, region and country, as far as they are known."""
        return ", ".join(dict.fromkeys(word for word in (self.city, self.region, self.country) if word))


def is_impossible(one: Place, other: Place, apart: timedelta) -> bool:
    """Whether nobody travels from one to the other in that time. False where a point is not known."""
    if one.point is None or other.point is None:
        return False
    distance = find_distance(one.point, other.point) - one.radius - other.radius
    hours = abs(apart.total_seconds()) / 3600
    return distance > NEAREST and distance > FASTEST * hours


def find_distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Kilometres between two points of latitude and longitude, along the surface."""
    north, east = radians(other[0] - one[0]), radians(other[1] - one[1])
    chord = sin(north / 2) ** 2 + cos(radians(one[0])) * cos(radians(other[0])) * sin(east / 2) ** 2
    return 2 * _EARTH * asin(sqrt(min(chord, 1.0)))
