"""The settings of the special modes: what is refused, and what is said at every start."""

from dataclasses import replace

import pytest

from doorward.config.check import check_config
from doorward.config.load import parse_config
from doorward.config.mode_check import note_standing_in
from doorward.config.schema import Config
from doorward.errors import ConfigError
from tests.fakes.flows import Town

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


async def test_an_account_that_cannot_stand_for_a_network_is_told_at_the_start() -> None:
    """D-11: not only at the first request that it was to stand for."""
    config = config_of("single_user: {user: family, networks: [192.168.1.0/24]}")
    family = await Town().add_user("family")
    assert note_standing_in(config, family) == []
    said = {
        str(note).partition(" -- ")[0]
        for user in (None, replace(family, enabled=False), replace(family, is_admin=True))
        for note in note_standing_in(config, user)
        if not note.calm
    }
    stands = "single_user.user: family stands for nobody: "
    assert said == {stands + "there is no such account", stands + "it is disabled", stands + "it is an administrator"}
    assert note_standing_in(config_of(""), None) == []


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


TRUSTED = "authn: {trusted_header: {name: Remote-User, networks: [172.18.0.5]}}\n"


def test_a_proxys_word_counts_only_where_it_is_set() -> None:
    """A-28."""
    assert config_of("").authn.trusted_header.name == ""
    config = config_of(TRUSTED)
    assert config.authn.trusted_header.name == "remote-user"
    [notice] = [notice for notice in check_config(config)[1] if notice.path == "authn.trusted_header"]
    assert notice.calm
    assert "it must set or remove that header on every request" in notice.message


@pytest.mark.parametrize(
    ("registration", "told"),
    [("{mode: open}", True), ("{mode: open, approval: true}", False), ("{mode: invite}", False)],
)
def test_names_that_anybody_may_choose_are_no_names_to_take_a_proxys_word_for(registration: str, told: bool) -> None:
    """A-28: whoever registers as the person whom the proxy will name next would have an account in common with them."""
    notices = notices_of(f"{TRUSTED}registration: {registration}")
    assert any("authn.trusted_header: DANGER" in notice for notice in notices) is told
    assert not [notice for notice in notices_of(f"registration: {registration}") if "trusted_header" in notice]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{name: Remote-User}", "authn.trusted_header.networks"),
        ("{networks: [172.18.0.5]}", "authn.trusted_header.name"),
        ("{name: Remote-User, networks: [10.0.0.1]}", "authn.trusted_header.networks"),
        ("{name: Remote-User, networks: [172.18.0.0/15]}", "authn.trusted_header.networks"),
        ("{name: Remote-User, networks: [unix]}", "authn.trusted_header.networks"),
        ("{name: Remote_User, networks: [172.18.0.5]}", "authn.trusted_header.name"),
        ("{name: 'Remote-User:', networks: [172.18.0.5]}", "authn.trusted_header.name"),
        ("{name: Cookie, networks: [172.18.0.5]}", "authn.trusted_header.name"),
        ("{name: X-Forwarded-For, networks: [172.18.0.5]}", "authn.trusted_header.name"),
        ("{name: X-Doorward-Proxy-Secret, networks: [172.18.0.5]}", "authn.trusted_header.name"),
        ("{name: 5, networks: [172.18.0.5]}", "authn.trusted_header.name"),
    ],
)
def test_a_header_of_nobody_of_strangers_or_of_another_meaning_is_refused(text: str, path: str) -> None:
    assert [problem for problem in problems_of(f"authn: {{trusted_header: {text}}}") if problem.startswith(path)]


def test_the_whole_world_is_never_a_proxy_that_names_people() -> None:
    text = TRUSTED.replace("172.18.0.5", "0.0.0.0/0")
    everyone = "server: {public_url: 'https://auth.example.com'}\nproxy: {trusted: [0.0.0.0/0], insecure_trust_everyone: true}\n"
    with pytest.raises(ConfigError) as refused:
        parse_config((everyone + text).encode(), environ={})
    assert [problem for problem in refused.value.problems if "anybody could say to be anybody" in problem]


def test_a_peer_on_our_socket_may_say_so_where_it_is_trusted() -> None:
    text = SITE.replace("trusted: [", "trusted: [unix, ") + TRUSTED.replace("[172.18.0.5]", "[unix]")
    assert parse_config(text.encode(), environ={}).config.authn.trusted_header.networks == ("unix",)


PROVIDER = "{id: a, issuer_url: 'https://id.example.com', client_id: x, client_secret: y%s}"


@pytest.mark.parametrize(
    "text",
    ["authn: {password: false}", f"authn: {{password: false, providers: [{PROVIDER % ', enabled: false'}]}}"],
)
def test_a_file_by_which_nobody_could_sign_in_is_refused(text: str) -> None:
    """D-12, A-28: no password, no provider, no trusted header."""
    [problem] = problems_of(text)
    assert problem.startswith("authn.password")
    assert "nobody could sign in" in problem


@pytest.mark.parametrize(
    "text",
    [
        "authn: {password: true}",
        f"authn: {{password: false, providers: [{PROVIDER % ''}]}}",
        TRUSTED.replace("{trusted", "{password: false, trusted"),
    ],
)
def test_any_one_way_is_enough(text: str) -> None:
    assert config_of(text)


def test_leaving_it_to_a_proxy_by_variable_needs_the_proxy() -> None:
    """A-28: `AUTH_ENABLED=false` never means that anybody may come in, and a provider does not stand for the proxy."""
    off = {"AUTH_ENABLED": "false"}
    assert not parse_config((SITE + TRUSTED).encode(), environ=off).config.authn.password
    for text in ("", f"authn: {{providers: [{PROVIDER % ''}]}}"):
        with pytest.raises(ConfigError) as refused:
            parse_config((SITE + text).encode(), environ=off)
        assert [problem for problem in refused.value.problems if problem.startswith("AUTH_ENABLED")]
    assert parse_config(SITE.encode(), environ={"AUTH_ENABLED": "true"}).config.authn.password
