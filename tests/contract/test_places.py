"""Places of addresses, from a file in the format of MaxMind."""

from ipaddress import ip_address

import pytest

from doorward.errors import ConfigError
from doorward.outside.places import MmdbPlaces
from doorward.rules.travel import Place
from tests.fakes.mmdb import city, write_mmdb
from tests.fakes.neighbours import FakeLog

BERLIN = city("Berlin", "Germany", 52.52, 13.4, "Land Berlin")
TOKYO = city("Tokyo", "Japan", 35.68, 139.69)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "city.mmdb"
    write_mmdb(path, {"203.0.113.0/24": BERLIN, "2001:db8::/32": TOKYO, "198.51.100.7/32": {"traits": {}}})
    return path


def test_an_address_has_the_place_the_file_says(file):
    """D-37."""
    places = MmdbPlaces(file, log=FakeLog())
    places.check()
    berlin = places.find(ip_address("203.0.113.9"))
    assert berlin == Place("Berlin", "Land Berlin", "Germany", (52.52, 13.4), 10.0)
    assert berlin.words == "Berlin, Land Berlin, Germany"
    assert places.find(ip_address("2001:db8::1")).words == "Tokyo, Japan"
    assert places.find(ip_address("198.51.100.7")) is None
    assert places.find(ip_address("192.0.2.1")) is None


def test_a_new_file_counts_at_once(file):
    places = MmdbPlaces(file, log=FakeLog())
    assert places.find(ip_address("203.0.113.9")).city == "Berlin"
    newer = file.with_name("newer")
    write_mmdb(newer, {"203.0.113.0/24": TOKYO})
    newer.replace(file)
    assert places.find(ip_address("203.0.113.9")).city == "Tokyo"


@pytest.mark.parametrize(
    "record",
    [
        {"city": "Berlin", "location": [1], "subdivisions": []},
        {"city": {"names": "x"}, "location": {"latitude": 200.0, "longitude": 1.0}},
        {"city": {"names": {"en": 7}}, "location": {"latitude": "x", "longitude": 1.0}},
        ["Berlin"],
    ],
)
def test_what_a_file_says_is_believed_only_where_it_makes_sense(tmp_path, record):
    path = tmp_path / "city.mmdb"
    write_mmdb(path, {"203.0.113.0/24": record})
    assert MmdbPlaces(path, log=FakeLog()).find(ip_address("203.0.113.9")) is None


@pytest.mark.parametrize("content", [None, b"no database", b""])
def test_a_file_that_is_none_stops_the_start_and_no_sign_in(tmp_path, content):
    path, log = tmp_path / "city.mmdb", FakeLog()
    if content is not None:
        path.write_bytes(content)
    places = MmdbPlaces(path, log=log)
    with pytest.raises(ConfigError, match="locations"):
        places.check()
    assert places.find(ip_address("203.0.113.9")) is None
    assert log.events[0][0] == "place_not_found"
