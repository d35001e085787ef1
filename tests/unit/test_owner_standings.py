"""Whether the owner of a key owes a second factor: judged as a sign-in would be, without awaiting anything."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.owing import OwnerStandings
from doorward.interfaces import SecondProofs
from doorward.rules.mfa import MFA_SETTING, MfaRequired, MfaTerms, Standing
from tests.fakes.gate import FakeView, make_user
from tests.fakes.system import START
from tests.fakes.upstream import a_provider

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ALICE, ROOT = make_user("alice"), make_user("root", is_admin=True)
FREE, OWES, SETTLED = Standing(owes=False), Standing(True, START), Standing(False, START + MINUTE)


class View(FakeView):
    """With connections, which are judged as they are stored."""

    connected: tuple[tuple[str, str | None], ...] = ()

    def find_second_proofs(self, user_id):
        return SecondProofs(user_id in self.protected, self.connected)


@pytest.fixture
def view():
    return View()


def judge(view, user=ALICE, *, required=MfaRequired.ALL, grace=None, providers=(), trusts=True):
    terms = MfaTerms(required, grace)
    standings = OwnerStandings(live=view, terms=lambda: terms, providers=lambda: providers, trusts=trusts)
    return standings.judge(user, START)


def test_policy_says_of_whom_one_is_asked(view):
    assert judge(view, required=MfaRequired.NONE) == FREE
    assert judge(view, required=MfaRequired.PER_RULE) == FREE
    assert judge(view, required=MfaRequired.ADMINS) == FREE
    assert judge(view, ROOT, required=MfaRequired.ADMINS) == OWES
    assert judge(view) == OWES


def test_the_word_of_the_console_wins_over_the_file(view):
    view.decided[MFA_SETTING] = "all"
    assert judge(view, required=MfaRequired.NONE) == OWES
    view.decided[MFA_SETTING] = "none"
    assert judge(view) == FREE


def test_a_service_account_owes_nothing(view):
    assert judge(view, replace(ALICE, is_service=True)) == FREE


def test_who_has_a_factor_owes_none_and_is_looked_at_again(view):
    """A factor may be taken away without a change of the account."""
    view.protected.add(ALICE.id)
    assert judge(view) == SETTLED


@pytest.mark.parametrize(
    ("asked", "grace", "standing"),
    [
        (None, 7 * DAY, SETTLED),
        (START + DAY, 7 * DAY, SETTLED),
        (START + timedelta(seconds=5), 7 * DAY, Standing(False, START + timedelta(seconds=5))),
        (START, 7 * DAY, OWES),
        (START - DAY, 7 * DAY, Standing(True, START - DAY)),
        (START + DAY, None, OWES),
    ],
)
def test_the_grace_of_a_sign_in_is_the_keys_too(view, asked, grace, standing):
    assert judge(view, replace(ALICE, enrol_by=asked), grace=grace) == standing


@pytest.mark.parametrize(
    ("settings", "trusted"),
    [
        (None, False),
        ('{"trust_mfa": true}', True),
        ('{"trust_mfa": false}', False),
        ('{"trust_mfa": "true"}', False),
        ("{}", False),
        ("torn", False),
    ],
)
def test_a_connection_to_a_trusted_provider_of_the_console_stands_for_a_factor(view, settings, trusted):
    view.connected = (("idp", settings),)
    assert judge(view) == (SETTLED if trusted else OWES)


@pytest.mark.parametrize(
    ("changes", "trusted"),
    [({"trust_mfa": True}, True), ({}, False), ({"trust_mfa": True, "enabled": False}, False)],
)
def test_the_file_has_the_last_word_on_its_providers(view, changes, trusted):
    view.connected = (("other", None), ("idp", '{"trust_mfa": true}'))
    provider = a_provider(**changes)
    assert provider.id == "idp"
    assert judge(view, providers=(provider,)) == (SETTLED if trusted else OWES)
    assert judge(view, providers=(provider,), trusts=False) == OWES, "no word of any provider counts"
