"""How often, as the configuration knows it: each limit by itself, with several windows."""

from datetime import timedelta

import pytest

from doorward.app.settings import limits_of
from doorward.config.limits import Limits
from doorward.rules.throttle import Window
from tests.fakes.configured import load, problems_of

MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)
DEFAULTS = {
    "login": (Window(5, MINUTE), Window(10, QUARTER)),
    "otp_verify": (Window(5, MINUTE), Window(5, QUARTER)),
    "mfa_manage": (Window(10, MINUTE), Window(5, QUARTER)),
    "password_change": (Window(10, MINUTE), Window(5, QUARTER)),
    "registration": (Window(10, QUARTER),),
    "invite": (Window(10, QUARTER),),
    "forgot": (Window(3, QUARTER),),
    "reset": (Window(5, QUARTER),),
    "oidc": (Window(10, MINUTE), Window(20, QUARTER)),
    "admin": (Window(30, QUARTER),),
    "export": (Window(30, QUARTER),),
    "destructive": (Window(3, QUARTER),),
    "backup": (Window(5, timedelta(hours=1)),),
    "imports": (Window(20, QUARTER),),
    "pairing": (Window(10, QUARTER),),
    "pairing_code": (Window(10, MINUTE), Window(20, QUARTER)),
    "key_failure": (Window(20, MINUTE), Window(60, QUARTER)),
    "key_create": (Window(5, timedelta(hours=1)), Window(5, QUARTER)),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_limit_has_the_windows_that_were_promised(name: str) -> None:
    """A-04, A-23, A-30, A-31, A-32, B-25, B-26, B-27, B-28, D-19, D-20, D-22 to D-27."""
    assert getattr(load("").config.limits, name) == DEFAULTS[name]


def test_no_limit_is_without_a_promise() -> None:
    assert set(Limits.model_fields) - {"count", "login_failures", "body_size"} == set(DEFAULTS)


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_limit_can_be_set_with_one_window_or_several(name: str) -> None:
    assert getattr(load(f"limits: {{{name}: 7/2h}}").config.limits, name) == (Window(7, timedelta(hours=2)),)
    several = getattr(load("", **{f"DOORWARD__LIMITS__{name.upper()}": "7/2h,9/1d"}).config.limits, name)
    assert several == (Window(7, timedelta(hours=2)), Window(9, timedelta(days=1)))


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", ["[]", "off", "0/1m", "5", "5/1"])
def test_no_limit_but_that_of_sign_ins_can_be_taken_away(name: str, value: str) -> None:
    if (name, value) == ("login", "[]"):
        assert load("limits: {login: []}").config.limits.login == ()
        return
    (problem,) = problems_of(f"limits: {{{name}: {value}}}")
    assert problem.startswith(f"limits.{name}")


@pytest.mark.parametrize(("text", "only_failed"), [("", False), ("limits: {count: failed}", True)])
def test_it_can_be_said_that_only_failures_count(text: str, *, only_failed: bool) -> None:
    """2.6: every try counts, unless it is said otherwise."""
    assert limits_of(load(text).config).only_failed is only_failed
