"""A temporary password is one that our own rules take, and that can be read out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.password import PasswordPolicy, check_password
from doorward.rules.temporary import SEED_SIZE, make_temporary_password


@given(st.binary(min_size=SEED_SIZE, max_size=SEED_SIZE), st.integers(8, 128))
def test_it_is_never_refused(seed: bytes, least: int) -> None:
    """A-17."""
    password = make_temporary_password(seed, min_length=least)
    policy = PasswordPolicy(least)
    assert not check_password(password, policy, name="root", email="bob@example.com", is_common=lambda _: False)


@given(st.binary(min_size=SEED_SIZE, max_size=SEED_SIZE))
def test_it_has_groups_that_can_be_read_out(seed: bytes) -> None:
    password = make_temporary_password(seed, min_length=8)
    assert re.fullmatch(r"[A-Z][a-z][2-9](-[A-Za-z]{2}[2-9]){6}", password)
    assert not set(password) & set("iIlLoO01")


@pytest.mark.parametrize("position", [0, 40, SEED_SIZE - 1])
def test_every_bit_of_chance_counts_in_the_longest(position: int) -> None:
    seed = bytearray(b"\x5a" * SEED_SIZE)
    before = make_temporary_password(bytes(seed), min_length=128)
    seed[position] ^= 0x80
    assert make_temporary_password(bytes(seed), min_length=128) != before
