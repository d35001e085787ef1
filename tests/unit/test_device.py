"""The device marker: for one account, in one generation, for half a year, and made by us."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.rules.device import DEVICE_LIFETIME, is_known_device, make_device_marker, name_device
from tests.contract.samples import a_user
from tests.fakes.system import START

KEY = b"k" * 32
ALICE = a_user("alice")
MARKER = make_device_marker(KEY, ALICE, now=START)


def test_a_marker_is_known_until_it_expires():
    assert is_known_device(MARKER, KEY, ALICE, now=START)
    assert is_known_device(MARKER, KEY, ALICE, now=START + DEVICE_LIFETIME - timedelta(seconds=1))
    assert not is_known_device(MARKER, KEY, ALICE, now=START + DEVICE_LIFETIME)


def test_a_marker_is_for_one_account_only():
    assert not is_known_device(MARKER, KEY, a_user("bob"), now=START)


def test_a_raised_generation_forgets_all_devices():
    assert not is_known_device(MARKER, KEY, replace(ALICE, generation=ALICE.generation + 1), now=START)


def test_a_marker_of_another_key_is_unknown():
    assert not is_known_device(MARKER, b"x" * 32, ALICE, now=START)


@pytest.mark.parametrize(
    "marker",
    ["", "x", ".", MARKER + "x", MARKER[:-1], "9" + MARKER, "99999999999." + MARKER.partition(".")[2], "\n" + MARKER],
)
def test_a_forged_marker_is_unknown(marker):
    assert not is_known_device(marker, KEY, ALICE, now=START)


def test_a_name_tells_nothing_about_its_marker():
    assert name_device(MARKER) not in MARKER
    assert name_device(MARKER) == name_device(MARKER)
