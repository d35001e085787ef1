"""Who may register, and who must have a second factor: the words, and what each means."""

from datetime import UTC, datetime

import pytest

from doorward.rules.identity import User, UserId
from doorward.rules.mfa import Required, decide_required
from doorward.rules.registration import Mode, decide_mode, describe

AT = datetime(2026, 1, 1, tzinfo=UTC)


def user(**changes):
    values = {"is_admin": False, "enabled": True, "generation": 1, "created_at": AT, **changes}
    return User(UserId("u" * 22), "alice", "Alice", "", frozenset(), **values)


@pytest.mark.parametrize(
    ("mode", "strangers", "invited"),
    [
        (Mode.FIRST_USER_THEN_LOCKED, False, True),
        (Mode.CLOSED, False, False),
        (Mode.INVITE, False, True),
        (Mode.OPEN, True, True),
        (Mode.OIDC_AUTO, False, True),
    ],
)
def test_each_mode_opens_what_its_name_says_and_no_more(mode, strangers, invited):
    assert mode.takes_strangers is strangers
    assert mode.takes_invited is invited


def test_the_console_stands_above_the_file_and_nonsense_opens_nothing():
    assert decide_mode(None, Mode.OPEN) is Mode.OPEN
    assert decide_mode("invite", Mode.OPEN) is Mode.INVITE
    assert decide_mode("opened", Mode.OPEN) is Mode.CLOSED


def test_without_mail_nobody_is_asked_for_an_address_that_nobody_could_confirm():
    with_mail = describe(Mode.OPEN, has_mail=True, approval=True)
    assert (with_mail.open, with_mail.asks_email, with_mail.takes_email, with_mail.approval) == (True, True, True, True)
    without = describe(Mode.OPEN, has_mail=False, approval=False)
    assert (without.open, without.asks_email, without.takes_email, without.approval) == (True, False, False, False)
    assert not describe(Mode.INVITE, has_mail=True, approval=False).asks_email


@pytest.mark.parametrize(
    ("required", "covers_user", "covers_admin", "asks_protected"),
    [
        (Required.NONE, False, False, True),
        (Required.ADMINS, False, True, True),
        (Required.ALL, True, True, True),
        (Required.PER_RULE, False, False, False),
    ],
)
def test_a_policy_covers_whom_it_names_and_asks_whoever_has_a_factor(
    required, covers_user, covers_admin, asks_protected
):
    """B-12."""
    assert required.covers(user()) is covers_user
    assert required.covers(user(is_admin=True)) is covers_admin
    assert required.covers(user(granted_admin=True)) is covers_admin
    assert required.asks(user(), protected=True) is asks_protected
    assert required.asks(user(), protected=False) is covers_user


def test_a_policy_that_cannot_be_read_demands_the_most():
    assert decide_required(None, Required.ADMINS) is Required.ADMINS
    assert decide_required("none", Required.ADMINS) is Required.NONE
    assert decide_required("nobody", Required.ADMINS) is Required.ALL
