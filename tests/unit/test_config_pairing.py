"""The settings of pairing."""

from datetime import timedelta

import pytest

from tests.fakes.configured import load, problems_of


def test_devices_are_paired_unless_it_is_switched_off() -> None:
    pairing = load("").config.pairing
    assert (pairing.enabled, pairing.lifetime, pairing.waiting) == (True, timedelta(minutes=10), 200)
    assert load("pairing: {enabled: false, lifetime: 30m, waiting: 1}").config.pairing.enabled is False


@pytest.mark.parametrize("lifetime", ["59s", "31m"])
def test_a_code_is_good_neither_for_too_short_nor_for_too_long(lifetime: str) -> None:
    [problem] = problems_of(f"pairing: {{lifetime: {lifetime}}}")
    assert "a code is good for 1m to 30m" in problem
