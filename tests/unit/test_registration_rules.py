"""Who may register: the modes, and what each opens."""

import pytest

from doorward.rules.registration import Mode, decide_mode, describe


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
    assert (with_mail.open, with_mail.asks_email, with_mail.approval) == (True, True, True)
    without = describe(Mode.OPEN, has_mail=False, approval=False)
    assert (without.open, without.asks_email, without.approval) == (True, False, False)
    assert not describe(Mode.INVITE, has_mail=True, approval=False).asks_email
