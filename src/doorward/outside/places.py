"""Where an address is, from a file on this machine (MMDB). Nobody is asked, and nothing leaves."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doorward.errors import ConfigError
from doorward.interfaces import Log
from doorward.rules.names import clean_text
from doorward.rules.travel import Place

if TYPE_CHECKING:
    from maxminddb.reader import Reader

_MOST: Final = 80
_WIDEST: Final = 180.0


class MmdbPlaces:
    """Looks addresses up. A file that was replaced is opened anew at the next look."""

    def __init__(self, path: Path, *, log: Log) -> None:
        self._path = path
        self._log = log
        self._reader: Reader | None = None
        self._stamp: tuple[int, int] | None = None

    def check(self) -> None:
        """Open the file once. ConfigError where it cannot be used."""
        try:
            self._open()
        except (OSError, ValueError) as error:
            raise ConfigError(f"locations.database {self._path} cannot be used: {_explain(error)}") from None

    def find(self, address: IPv4Address | IPv6Address) -> Place | None:
        """Where it is said to be; None where nothing is known, or the file cannot be read just now."""
        try:
            found = self._open().get(address)
        except (OSError, ValueError) as error:  # a database that is damaged is a ValueError, or an address it lacks
            self._log.warning("place_not_found", reason=_explain(error))
            return None
        place = _read(found)
        return place if place is not None and (place.words or place.point) else None

    def _open(self) -> "Reader":
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if self._reader is None or stamp != self._stamp:
            import maxminddb

            try:
                self._reader = maxminddb.open_database(self._path, maxminddb.MODE_MMAP)
            except maxminddb.InvalidDatabaseError as error:
                raise ValueError(str(error)) from None
            self._stamp = stamp
        return self._reader


def _read(found: Any) -> Place | None:
    """What the file says, in the shape of GeoIP2 City and the databases that follow it."""
    if not isinstance(found, dict):
        return None
    location = found.get("location")
    at = location if isinstance(location, dict) else {}
    regions = found.get("subdivisions")
    region = regions[0] if isinstance(regions, list) and regions else None
    return Place(
        city=_name(found.get("city")),
        region=_name(region),
        country=_name(found.get("country")),
        point=_point(at.get("latitude"), at.get("longitude")),
        radius=_number(at.get("accuracy_radius")) or 0.0,
    )


def _name(said: Any) -> str:
    names = said.get("names") if isinstance(said, dict) else None
    name = names.get("en") if isinstance(names, dict) else None
    return clean_text(name, _MOST) if isinstance(name, str) else ""


def _point(latitude: Any, longitude: Any) -> tuple[float, float] | None:
    north, east = _number(latitude), _number(longitude)
    if north is None or east is None or abs(north) > _WIDEST / 2 or abs(east) > _WIDEST:
        return None
    return north, east


def _number(said: Any) -> float | None:
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else None


def _explain(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or "it is not a database of places (MMDB)"
