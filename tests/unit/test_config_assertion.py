"""The settings of assertions: one header with one meaning, a minute at most, one audience to one app."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from doorward.config.assertion import AssertionSection
from doorward.config.assertion_check import check_assertions
from doorward.config.policy import build_policy
from doorward.config.rotation import Rotation
from doorward.config.schema import Config

WIKI, NAS = {"name": "Wiki", "hosts": "wiki.example.com"}, {"name": "NAS", "hosts": "nas.example.com"}


def found(**settings):
    return [(each.path, each.message) for each in check_assertions(Config.model_validate(settings))]


def test_the_defaults_are_the_strictest():
    section = AssertionSection()
    assert (section.header, section.lifetime, section.algorithm) == (
        "X-Doorward-Assertion",
        timedelta(seconds=60),
        "EdDSA",
    )
    assert Rotation().assertion_key == timedelta(days=90)
    assert found() == []


@pytest.mark.parametrize("lifetime", ["61s", "9s", "10500ms", "2m"])
def test_an_assertion_is_good_for_a_minute_at_most(lifetime):
    with pytest.raises(ValidationError):
        AssertionSection.model_validate({"lifetime": lifetime})


@pytest.mark.parametrize("header", ["", 7, "Cookie", "Authorization", "X-Forwarded-User-Email", "a b", "X-Doorward-"])
def test_a_header_that_means_something_else_is_refused(header):
    with pytest.raises(ValidationError):
        AssertionSection.model_validate({"header": header})


def test_a_header_keeps_its_spelling():
    assert AssertionSection.model_validate({"header": "X-Who-Asks"}).header == "X-Who-Asks"


def test_keys_are_not_replaced_faster_than_apps_can_follow():
    with pytest.raises(ValidationError):
        Rotation.model_validate({"assertion_key": "30m"})
    assert Rotation.model_validate({"assertion_key": "off"}).assertion_key is None


def test_one_header_has_one_meaning():
    name = {"assertion": {"header": "X-Who"}}
    assert found(**name, authn={"trusted_header": {"name": "X-Who"}})[0][0] == "assertion.header"
    assert found(**name, apps=[{**WIKI, "headers": {"X-Who": "{user}"}}])[0][0] == "assertion.header"
    remote = {"assertion": {"header": "Remote-User"}}
    assert found(**remote, headers={"remote_user": True})[0][0] == "assertion.header"
    assert found(**remote, headers={"remote_user": False}) == []


def test_what_one_app_is_told_is_good_at_no_other():
    wiki = {**WIKI, "assertion": True}
    assert found(apps=[wiki, {**NAS, "assertion": True, "audience": "Wiki"}])[0][0] == "apps[1].audience"
    assert found(apps=[wiki, {**NAS, "assertion": True}]) == []
    assert found(apps=[{**WIKI, "audience": "wiki"}]) == [("apps[0].audience", "no assertion is sent")]


def test_the_policy_knows_who_is_told():
    apps = [{**WIKI, "assertion": True, "audience": "wiki-1"}, NAS]
    told, not_told = build_policy(Config.model_validate({"apps": apps})).apps
    assert (told.assertion, told.audience) == (True, "wiki-1")
    assert (not_told.assertion, not_told.audience) == (False, "")
