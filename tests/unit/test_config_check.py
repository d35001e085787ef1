"""What may not stand together is refused; what an operator should know is said at every start."""

from ipaddress import ip_network

import pytest

from doorward.config.check import check_config, check_startable, require_startable
from doorward.config.load import parse_config
from doorward.config.names import is_local
from doorward.config.networks import is_worldwide
from doorward.config.schema import Config
from doorward.config.suffixes import is_shared_suffix
from doorward.errors import ConfigError

SITE = "server: {public_url: 'https://auth.example.com'}\n"
SOUND = SITE + "cookie: {domain: example.com}\n"


def config_of(text: str) -> Config:
    return parse_config(text.encode(), environ={}).config


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        config_of(text)
    return list(refused.value.problems)


def notices_of(text: str) -> list[str]:
    return [str(notice) for notice in check_config(config_of(text))[1]]


def test_a_sound_configuration_has_no_problems() -> None:
    problems, _ = check_config(config_of(SOUND + "authz: {rules: [{domain: '*.example.com', users: [alice]}]}"))
    assert problems == []


@pytest.mark.parametrize(
    "networks",
    [
        ["0.0.0.0/0"],
        ["::/0"],
        ["2000::/3"],
        ["0.0.0.0/1", "128.0.0.0/1"],
        ["128.0.0.0/1"],
        ["0.0.0.0/2", "64.0.0.0/2", "10.0.0.0/8"],
        ["2000::/4"],
        ["10.0.0.0/8", "::/1"],
    ],
)
def test_networks_that_are_the_world_together_are_refused(networks: list[str]) -> None:
    """A02."""
    (problem,) = problems_of(SOUND + f"proxy: {{trusted: {networks}}}\n")
    assert problem.startswith("proxy.trusted (line 3): these networks are the whole world")


@pytest.mark.parametrize(
    "networks",
    [["10.0.0.0/8"], ["172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"], ["fc00::/7"], ["2001:db8::/32"], []],
)
def test_networks_of_ones_own_are_not_the_world(networks: list[str]) -> None:
    assert not is_worldwide([ip_network(network) for network in networks])


def test_a_star_is_refused_even_with_the_switch() -> None:
    """A02."""
    (problem,) = problems_of(SOUND + "proxy: {trusted: ['*'], insecure_trust_everyone: true}\n")
    assert problem.startswith("proxy.trusted[0]")


def test_the_world_is_trusted_only_by_a_switch_that_warns() -> None:
    """A02."""
    notices = notices_of(SOUND + "proxy: {trusted: [0.0.0.0/0], insecure_trust_everyone: true}\n")
    assert any(notice.startswith("proxy.insecure_trust_everyone: DANGER") for notice in notices)
    idle = notices_of(SOUND + "proxy: {trusted: [10.0.0.0/8], insecure_trust_everyone: true}\n")
    assert any("it has no effect" in notice for notice in idle)


def test_nobody_is_trusted_by_default_and_a_notice_says_so() -> None:
    """A02."""
    assert config_of(SOUND).proxy.trusted == ()
    assert any("no proxy is trusted, so every check is refused" in notice for notice in notices_of(SOUND))


def test_counting_proxies_without_trusting_any_is_refused() -> None:
    assert problems_of(SOUND + "proxy: {hops: 1}\n")[0].startswith("proxy.hops")


def test_unix_is_trusted_only_on_a_unix_socket() -> None:
    on_tcp = notices_of(SOUND + "proxy: {trusted: [unix]}\n")
    assert any("`unix` has no effect" in notice for notice in on_tcp)
    text = SOUND.replace("server: {", "server: {addr: 'unix:/run/d.sock', ")
    assert any(
        "peers on our unix socket are not trusted" in one for one in notices_of(text + "proxy: {trusted: [10.0.0.1]}")
    )
    assert not any("unix" in notice for notice in notices_of(text + "proxy: {trusted: [unix]}"))
    assert config_of(text + "proxy: {trusted: [unix]}").proxy.trusts_unix


@pytest.mark.parametrize("url", ["http://auth.example.com", "http://192.168.1.5:8080", "http://localhost.example.com"])
def test_plain_http_outside_this_machine_needs_a_switch_that_warns(url: str) -> None:
    """B-19."""
    (problem,) = problems_of(f"server: {{public_url: '{url}'}}\n")
    assert problem.startswith("server.public_url (line 1)")
    notices = notices_of(f"server: {{public_url: '{url}', insecure_http: true}}\n")
    assert any(notice.startswith("server.insecure_http: DANGER") for notice in notices)
    loaded = parse_config(
        f"server: {{public_url: '{url}'}}\n".encode(), environ={}, overrides={"server.insecure_http": True}
    )
    assert loaded.origins["server.insecure_http"] == "command line"


@pytest.mark.parametrize("host", ["localhost", "auth.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_this_machine_by_name_may_use_plain_http(host: str) -> None:
    assert is_local(host)
    assert not config_of(f"server: {{public_url: 'http://{host}:8080'}}\n").cookie_secure


def test_the_cookie_is_secure_exactly_when_the_site_is() -> None:
    assert config_of(SITE).cookie_secure is True
    assert config_of("server: {public_url: 'http://a.localhost'}").cookie_secure is False
    assert config_of("server: {public_url: 'http://a.localhost'}\ncookie: {secure: true}").cookie_secure is True


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (SITE + "cookie: {secure: false}", "cookie.secure"),
        ("server: {public_url: 'http://a.b', insecure_http: true}\ncookie: {secure: true}", "cookie.secure"),
        (SITE + "cookie: {name: __Host-x, domain: example.com}", "cookie.name"),
        ("cookie: {name: __Secure-x}", "cookie.name"),
        ("cookie: {name: doorward-browser}", "cookie.name"),
        (SITE + "cookie: {name: __Host-doorward-csrf}", "cookie.name"),
        (SITE + "cookie: {domain: example.org}", "cookie.domain"),
        (SITE + "cookie: {domain: ample.com}", "cookie.domain"),
        (SITE + "cookie: {domain: login.auth.example.com}", "cookie.domain"),
        ("server: {public_url: 'https://10.0.0.1'}\ncookie: {domain: 10.0.0.1}", "cookie.domain"),
        ("server: {public_url: 'http://auth.localhost'}\ncookie: {domain: localhost}", "cookie.domain"),
        ("server: {public_url: 'https://auth.com'}\ncookie: {domain: .com}", "cookie.domain"),
        ("server: {public_url: 'https://auth.co.uk'}\ncookie: {domain: co.uk}", "cookie.domain"),
        ("server: {public_url: 'https://me.duckdns.org'}\ncookie: {domain: duckdns.org}", "cookie.domain"),
    ],
)
def test_a_cookie_that_browsers_would_refuse_is_refused_here(text: str, start: str) -> None:
    """C-15: the cookie domain against the public address, public suffixes and the cookie's own prefix."""
    assert [problem.split(" (")[0] for problem in problems_of(text)] == [start]


def test_a_name_of_ones_own_under_a_shared_suffix_is_fine() -> None:
    """C-15."""
    config_of("server: {public_url: 'https://auth.me.duckdns.org'}\ncookie: {domain: me.duckdns.org}")
    assert not is_shared_suffix("me.duckdns.org")
    assert not is_shared_suffix("example.com")


def test_a_domain_with_a_leading_dot_is_the_same_domain() -> None:
    """C-15."""
    assert config_of(SITE + "cookie: {domain: .Example.com}").cookie.domain == "example.com"


@pytest.mark.parametrize(
    ("cookie", "host", "reached"),
    [
        ("cookie: {domain: example.com}", "app.example.com", True),
        ("cookie: {domain: example.com}", "*.example.com", True),
        ("cookie: {domain: example.com}", "*.com", True),
        ("cookie: {domain: example.com}", "app.example.org", False),
        ("cookie: {domain: example.com}", "*.example.org", False),
        ("cookie: {domain: example.com}", "notexample.com", False),
        ("", "auth.example.com", True),
        ("", "app.example.com", False),
        ("", "*.example.com", True),
    ],
)
def test_a_host_the_cookie_never_reaches_is_a_problem(cookie: str, host: str, *, reached: bool) -> None:
    """C-15: all protected hosts must lie within the cookie's domain."""
    text = f"{SITE}{cookie}\nauthz: {{rules: [{{domain: '{host}', users: [alice]}}]}}"
    if reached:
        config_of(text)
    else:
        assert problems_of(text)[0].startswith("authz.rules[0].domain")


@pytest.mark.parametrize("rule", ["who: anyone", "effect: deny", "require: [passkey]"])
def test_a_rule_that_needs_no_sign_in_may_be_anywhere(rule: str) -> None:
    config_of(f"{SOUND}authz: {{rules: [{{domain: app.example.org, {rule}}}]}}")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("session: {ttl: 1m}", "session.ttl"),
        ("session: {remember_ttl: 1m}", "session.remember_ttl"),
        ("session: {idle_timeout: 60s}", "session.idle_timeout"),
        ("session: {remember_idle_timeout: 60s}", "session.remember_idle_timeout"),
        ("session: {remember_ttl: off, remember_idle_timeout: 1h}", "session.remember_idle_timeout"),
        ("authn: {state_ttl: 2h}", "authn.state_ttl"),
        ("limits: {login_failures: {first: 1h}}", "limits.login_failures.first"),
        ("prometheus: {addr: ':8080'}", "prometheus.addr"),
        ("prometheus: {addr: '127.0.0.1:8080'}", "prometheus.addr"),
        ("prometheus: {addr: 'unix:/run/m.sock'}", "prometheus.addr"),
        ("server: {addr: '127.0.0.1:9120'}\nprometheus: {addr: '127.0.0.1:9120'}", "prometheus.addr"),
        (
            "authz: {rules: [{name: a, domain: localhost, who: any_user}, {name: a, domain: localhost}]}",
            "authz.rules[1].name",
        ),
        ("authz: {groups: [{name: a}, {name: a}]}", "authz.groups[1].name"),
        ("apps: [{name: A, hosts: a.b}, {name: A, hosts: c.d}]", "apps[1].name"),
        ("apps: [{name: A, hosts: a.b}, {name: B, hosts: a.b}]", "apps[1].hosts"),
    ],
)
def test_settings_that_cannot_stand_together_are_refused(text: str, start: str) -> None:
    assert [problem.split(":")[0].split(" (")[0] for problem in problems_of(text)] == [start]


@pytest.mark.parametrize("addr", ["off", ":0", "127.0.0.1:9120", ":9120"])
def test_metrics_may_listen_elsewhere_or_not_at_all(addr: str) -> None:
    """C-18."""
    config_of(f"server: {{addr: '127.0.0.2:9121'}}\nprometheus: {{addr: '{addr}'}}")


@pytest.mark.parametrize(
    "secret",
    [
        "tooshort1",
        "changeme-changeme-changeme",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "<your-secret-goes-here>",
        "0123456789abcdef0123",
        "my-secret-my-secret",
        "ünïcödeünïcödeünïcödexyz",
    ],
)
def test_a_secret_that_is_none_is_refused_without_being_repeated(secret: str) -> None:
    """Q05."""
    (problem,) = problems_of(SOUND + f"proxy: {{trusted: [10.0.0.1], secrets: {{nginx: '{secret}'}}}}\n")
    assert problem.startswith("proxy.secrets.nginx (line 3)")
    assert secret not in problem


def test_a_real_secret_is_accepted() -> None:
    """Q05."""
    config_of(SOUND + "proxy: {trusted: [10.0.0.1], secrets: {nginx: 9f86d081884c7d659a2feaa0c55ad015}}\n")


def test_redis_is_refused_at_start_and_not_before() -> None:
    """C-28, C-29: understood, checked, and refused with what to write instead."""
    config = config_of("storage: {type: redis, redis: {addr: 'redis:6379'}}")
    (finding,) = check_startable(config)
    assert "not available yet" in str(finding)
    assert "sqlite" in finding.hint
    with pytest.raises(ConfigError, match="cannot be started"):
        require_startable(config)
    require_startable(config_of("storage: {type: local}"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("storage: {type: local}", "a restart signs everybody out"),
        ("headers: {forwarded_user: false}", "apps are not told who it is"),
        ("", "there are no rules, so nobody may open anything"),
        ("authz: {rules: [{domain: localhost}]}", "it allows nobody"),
        ("authz: {rules: [{domain: localhost, users: [a]}, {name: x, domain: localhost, users: [a]}]}", "it says the same as authz.rules[0]"),
        ("authz: {rules: [{domain: localhost, groups: [admins]}]}", "admins has no members in this file; accounts can be given it at any time"),
        ("authz: {groups: [{name: admins}], rules: [{domain: localhost, groups: [Admins]}]}", "did you mean admins?"),
        ("apps: [{name: A, hosts: a.b}]", "no rule allows anyone to open a.b"),
        ("apps: [{name: A, hosts: '*.a.b'}]", "no rule allows anyone to open *.a.b"),
        ("apps: [{name: A, hosts: a.b}]\nauthz: {rules: [{domain: a.b, effect: deny}]}", "no rule allows anyone to open a.b"),
    ],
)  # fmt: skip
def test_what_an_operator_should_know_is_said(text: str, words: str) -> None:
    assert any(words in notice for notice in notices_of(text)), notices_of(text)


def test_a_group_whose_members_are_given_by_command_is_no_warning() -> None:
    text = "authz: {groups: [{name: admins}], rules: [{domain: localhost, groups: [Admins, staff]}]}"
    notices = [notice for notice in parse_config(text.encode(), environ={}).notices if "groups" in notice.path]
    assert {notice.message.partition(" ")[0]: notice.calm for notice in notices} == {"Admins": False, "staff": True}


@pytest.mark.parametrize("host", ["a.b", "'*.b'", "'**.a.b'"])
def test_an_app_with_a_rule_is_not_mentioned(host: str) -> None:
    text = f"apps: [{{name: A, hosts: a.b}}]\nauthz: {{rules: [{{domain: {host}, who: anyone}}]}}"
    assert not any("no rule allows" in notice for notice in notices_of(text))


def test_a_real_client_of_a_provider_is_not_called_a_sample() -> None:
    text = (
        "server: {public_url: 'https://a.b.c'}\n"
        "authn: {provider: {type: github, redirect_url: 'https://a.b.c/api/auth/login', "
        "github: {client_id: Iv1, client_secret: 9f86d081884c7d65}}}"
    )
    assert not any("sample" in notice for notice in notices_of(text))
