"""The settings of the special modes: what is refused, and what is said at every start."""

import pytest

from doorward.config.check import check_config
from doorward.config.load import parse_config
from doorward.config.schema import Config
from doorward.errors import ConfigError

SITE = (
    "server: {public_url: 'https://auth.example.com'}\ncookie: {domain: example.com}\n"
    "proxy: {trusted: [192.168.1.2/32, 172.18.0.0/16]}\n"
)


def config_of(text: str) -> Config:
    return parse_config((SITE + text).encode(), environ={}).config


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        config_of(text)
    return list(refused.value.problems)


def notices_of(text: str) -> list[str]:
    return [str(notice) for notice in check_config(config_of(text))[1]]


def test_one_account_for_a_network_is_off_unless_set() -> None:
    """D-11."""
    assert config_of("").single_user.user == ""
    assert not [notice for notice in notices_of("") if "single_user" in notice]


def test_one_account_for_ones_own_network_is_told_and_is_no_warning() -> None:
    config = config_of("single_user: {user: Family, networks: [192.168.1.0/24, 'fd00::/8']}")
    assert config.single_user.user == "family"
    notices = [notice for notice in check_config(config)[1] if notice.path.startswith("single_user")]
    assert [notice.calm for notice in notices] == [True]


@pytest.mark.parametrize("network", ["203.0.113.0/24", "2001:db8::/32", "8.0.0.0/6", "192.0.0.0/8"])
def test_networks_beyond_private_ones_are_a_danger_that_every_start_tells(network: str) -> None:
    [notice] = [
        notice
        for notice in notices_of(f"single_user: {{user: family, networks: [10.0.0.0/8, '{network}']}}")
        if "single_user" in notice
    ]
    assert "DANGER" in notice
    assert network in notice
    assert "10.0.0.0/8" not in notice


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("single_user: {user: family}", "single_user.networks"),
        ("single_user: {networks: [192.168.1.0/24]}", "single_user.user"),
        ("single_user: {user: family, networks: [0.0.0.0/0]}", "single_user.networks"),
        ("single_user: {user: family, networks: [0.0.0.0/1]}", "single_user.networks"),
        ("single_user: {user: family, networks: ['::/0']}", "single_user.networks"),
        ("single_user: {user: family, networks: [192.168.1.2, 172.18.3.0/24]}", "single_user.networks"),
        ("single_user: {user: a b, networks: [192.168.1.0/24]}", "single_user.user"),
        ("single_user: {user: family@example.com, networks: [192.168.1.0/24]}", "single_user.user"),
        ("single_user: {user: 5, networks: [192.168.1.0/24]}", "single_user.user"),
    ],
)
def test_half_a_mode_the_whole_world_and_what_could_never_apply_are_refused(text: str, path: str) -> None:
    assert [problem for problem in problems_of(text) if problem.startswith(path)]


def test_an_app_may_ask_to_be_guarded_against_other_sites() -> None:
    app = config_of("apps: [{name: A, hosts: a.example.com, guard_cross_site: true}, {name: B, hosts: b.example.com}]")
    assert [each.guard_cross_site for each in app.apps] == [True, False]
