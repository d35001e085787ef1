"""One configuration from file, environment and command line, or everything that is wrong with it at once."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from doorward.config.load import Loaded, load_config, parse_config
from doorward.config.schema import Config
from doorward.config.values import Secret
from doorward.errors import ConfigError

SOUND = b"server: {public_url: https://auth.example.com}\ncookie: {domain: example.com}\n"


def load(text: str | bytes = SOUND, *, environ: dict[str, str] | None = None, **overrides: object) -> Loaded:
    raw = text.encode() if isinstance(text, str) else text
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return parse_config(raw, environ=environ or {}, overrides=dotted)


def problems_of(text: str | bytes = SOUND, *, environ: dict[str, str] | None = None, **overrides: object) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(text, environ=environ, **overrides)
    return list(refused.value.problems)


def test_nothing_configured_is_the_defaults() -> None:
    """C-12: a missing file gives defaults and says so. C-13, C-16, C-17, C-18, C-19, C-20, C-28, C-30."""
    loaded = load(b"")
    config = loaded.config
    assert config == Config()
    assert str(config.server.addr) == ":8080"
    assert (config.logger.level, config.logger.format) == ("info", "text")
    assert (str(config.prometheus.addr), config.prometheus.path) == (":9120", "/metrics")
    assert config.authn.state_ttl == timedelta(minutes=10)
    assert config.session.ttl == timedelta(hours=24)
    assert config.session.idle_timeout == timedelta(minutes=120)
    assert config.session.remember_ttl == timedelta(days=7)
    assert config.session.remember_idle_timeout is None
    assert config.storage.type == "sqlite"
    assert "no configuration file was found" in str(loaded.notices[0])


def test_a_named_file_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    """C-12."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "missing.yaml", environ={})


def test_a_file_is_read(tmp_path: Path) -> None:
    """C-12."""
    path = tmp_path / "doorward.yaml"
    path.write_bytes(SOUND)
    loaded = load_config(path, environ={})
    assert loaded.config.server.public_url == "https://auth.example.com"
    assert loaded.path == path
    assert loaded.origins["cookie.domain"] == f"{path} line 2"


def test_bad_yaml_stops_the_start() -> None:
    """C-12."""
    (problem,) = problems_of("server: {addr: :8080\nlogger")
    assert "not YAML" in problem
    assert "(line 1)" in problem


def test_the_configuration_is_frozen() -> None:
    config = load().config
    with pytest.raises(ValidationError):
        config.server.public_url = "https://evil.example"


def test_precedence_is_command_line_variable_known_variable_file_default() -> None:
    text = SOUND + b"session: {ttl: 1h, idle_timeout: 10m}\nlogger: {level: error}\n"
    environ = {"DOORWARD__SESSION__TTL": "3h", "SESSION_DURATION": "2h", "INACTIVITY_TIMEOUT_MINUTES": "20"}
    loaded = load(text, environ=environ, logger__level="debug")
    assert loaded.config.session.ttl == timedelta(hours=3)
    assert loaded.config.session.idle_timeout == timedelta(minutes=20)
    assert loaded.config.logger.level == "debug"
    assert loaded.origins["session.ttl"] == "variable DOORWARD__SESSION__TTL"
    assert loaded.origins["session.idle_timeout"] == "variable INACTIVITY_TIMEOUT_MINUTES"
    assert loaded.origins["logger.level"] == "command line"
    assert "session.remember_ttl" not in loaded.origins


def test_every_kind_of_setting_can_be_a_variable() -> None:
    config = load(
        environ={
            "DOORWARD__PROXY__TRUSTED": "10.0.0.0/8, unix",
            "DOORWARD__PASSWORD__BCRYPT_COST": "13",
            "DOORWARD__COOKIE__PERSISTENT": "true",
            "DOORWARD__COOKIE__SECURE": "true",
            "DOORWARD__LIMITS__BODY_SIZE": "128KiB",
            "DOORWARD__LIMITS__LOGIN": "[3/1m]",
            "DOORWARD__AUTHZ__RULES": "[{domain: '*.example.com', users: [alice]}]",
            "DOORWARD__PROMETHEUS__ADDR": "off",
            "DOORWARD__PROXY__SECRETS__NGINX": "98765432103e" * 3,
            "DOORWARD__STORAGE__PATH": "007",
        }
    ).config
    assert [str(peer) for peer in config.proxy.trusted] == ["10.0.0.0/8", "unix"]
    assert config.password.bcrypt_cost == 13
    assert config.cookie.persistent is True
    assert config.cookie.secure is True
    assert config.limits.body_size == 128 * 1024
    assert config.limits.login[0].limit == 3
    assert config.authz.rules[0].users == ("alice",)
    assert config.prometheus.addr is None
    assert config.proxy.secrets.nginx == Secret("98765432103e" * 3)
    assert config.storage.path == "007"


def test_an_empty_list_variable_is_an_empty_list() -> None:
    """A02: an empty list of trusted proxies trusts nobody."""
    assert load(environ={"DOORWARD__PROXY__TRUSTED": ""}).config.proxy.trusted == ()


def test_an_unknown_variable_is_refused_with_the_nearest() -> None:
    (problem,) = problems_of(environ={"DOORWARD__SERVR__ADDR": ":1"})
    assert "DOORWARD__SERVR__ADDR" in problem
    assert "DOORWARD__SERVER__ADDR" in problem


def test_variables_of_others_are_left_alone() -> None:
    environ = {"DOORWARD_HOME": "x", "PATH": "/bin", "doorward__server__addr": "x"}
    assert load(environ=environ).config == load().config


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("COOKIE_SECURE", "true", "cookie.secure", True),
        ("APP_URL", "https://login.example.com", "server.public_url", "https://login.example.com"),
        ("HSTS_INCLUDE_SUBDOMAINS", "true", "headers.hsts.include_subdomains", True),
        ("INACTIVITY_TIMEOUT_MINUTES", "30", "session.idle_timeout", timedelta(minutes=30)),
        ("INACTIVITY_TIMEOUT_MINUTES", "0", "session.idle_timeout", None),
        ("SESSION_DURATION", "12h", "session.ttl", timedelta(hours=12)),
        ("SESSION_DURATION_REMEMBER", "30d", "session.remember_ttl", timedelta(days=30)),
        ("TRUST_PROXY", "1", "proxy.hops", 1),
    ],
)
def test_variables_people_already_have_are_understood(variable: str, text: str, key: str, value: object) -> None:
    """A-09, A-11, B-07, B-08."""
    loaded = load(environ={variable: text})
    found: object = loaded.config
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert any(variable in str(notice) for notice in loaded.notices)


def test_trust_proxy_trusts_private_networks_only() -> None:
    """B-07."""
    networks = [str(network) for network in load(environ={"TRUST_PROXY": "1"}).config.proxy.networks]
    assert "10.0.0.0/8" in networks
    assert "0.0.0.0/0" not in networks
    assert load(environ={"TRUST_PROXY": "0"}).config.proxy.trusted == ()


@pytest.mark.parametrize(
    ("variable", "text"),
    [("TRUST_PROXY", "*"), ("TRUST_PROXY", "true"), ("COOKIE_SECURE", "yes"), ("INACTIVITY_TIMEOUT_MINUTES", "2h")],
)
def test_a_known_variable_with_another_value_is_a_problem(variable: str, text: str) -> None:
    (problem,) = problems_of(environ={variable: text})
    assert problem.startswith(f"{variable}: {text!r}")


def test_variables_in_values_are_expanded() -> None:
    """C-12."""
    text = SOUND + b"storage:\n  path: '${BASE}/doorward'\n  redis:\n    db: ${DB}\nsession:\n  ttl: ${TTL}\n"
    config = load(text, environ={"BASE": "/srv", "DB": "3", "TTL": "8h"}).config
    assert config.storage.path == "/srv/doorward"
    assert config.storage.redis.db == 3
    assert config.session.ttl == timedelta(hours=8)


def test_a_variable_cannot_bring_structure() -> None:
    text = SOUND + b'storage: {path: "${X}"}\n'
    config = load(text, environ={"X": "a\nlogger: {level: debug}"}).config
    assert config.storage.path == "a\nlogger: {level: debug}"
    assert config.logger.level == "info"


@pytest.mark.parametrize("text", ["${NOT_SET}", "${X:-y}", "${", "${}", "a${1}b"])
def test_an_undefined_or_fancy_variable_is_a_problem(text: str) -> None:
    (problem, *_) = problems_of(SOUND + f"storage:\n  path: 'x{text}'\n".encode())
    assert problem.startswith("storage.path (line 4)")


def test_a_dollar_alone_is_a_dollar() -> None:
    """Unlike the ancestor, which mangled a `$` in a secret."""
    text = SOUND + b"storage: {path: '$HOME$$x$${Y}'}\n"
    assert load(text, environ={"HOME": "/root"}).config.storage.path == "$HOME$$x${Y}"


def test_unknown_keys_are_refused_with_the_nearest() -> None:
    found = problems_of(
        "servr: {}\nserver: {adr: ':1', publicUrl: x}\nauthz:\n  rules:\n    - {domain: localhost, user: [a]}\n"
        "    - {domain: localhost, require: [two_facter]}\ncookie: {public_url: x}\nlogger: {zzz: 1}\n"
    )
    assert any(line.startswith("servr (line 1)") and "server" in line for line in found)
    assert any(line.startswith("server.adr (line 2)") and "did you mean addr?" in line for line in found)
    assert any(line.startswith("server.publicUrl") and "did you mean public_url?" in line for line in found)
    assert any(line.startswith("authz.rules[0].user (line 5)") and "did you mean users?" in line for line in found)
    assert any("two_facter" in line and "did you mean two_factor?" in line for line in found)
    assert any(line.startswith("cookie.public_url") and "server.public_url" in line for line in found)
    assert any(line.startswith("logger.zzz") and "known here: level, format" in line for line in found)


def test_all_problems_are_told_at_once() -> None:
    """Fields of the wrong kind do not hide what is wrong between others, and positions stay those of the file."""
    found = problems_of(
        "server: {addr: 80, public_url: http://auth.example.com}\n"
        "cookie: {domain: co.uk, secure: no}\n"
        "proxy: {trusted: [0.0.0.0/0]}\n"
        "authz:\n"
        "  rules:\n"
        "    - {domain: a.b, path: '~('}\n"
        "    - {domain: other.example, users: 5}\n"
        "    - {domain: third.example, users: x}\n",
        environ={"DOORWARD__PASSWORD__MIN_LENGTH": "6"},
    )
    starts = sorted(line.split(":")[0] for line in found)
    assert starts == [
        "authz.rules[0].path[0] (line 6)",
        "authz.rules[1].users (line 7)",
        "authz.rules[2].domain (line 8)",
        "cookie.domain (line 2)",
        "cookie.secure (line 2)",
        "password.min_length",
        "proxy.trusted (line 3)",
        "server.addr (line 1)",
        "server.public_url (line 1)",
    ]


def test_a_broken_setting_does_not_cause_problems_elsewhere() -> None:
    """What rests on a broken setting is not judged by its default."""
    (problem,) = problems_of("server: {public_url: 'not a url'}\ncookie: {domain: example.com}\n")
    assert problem.startswith("server.public_url")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("server: 5", "server"),
        ("server: [a]", "server"),
        ("- a\n- b", "the configuration"),
        ("just text", "the configuration"),
        ("authz: {rules: {domain: x}}", "authz.rules"),
        ("authz: {rules: [x]}", "authz.rules[0]"),
        ("authz: {rules: [{users: [a]}]}", "authz.rules[0]"),
        ("apps: [{hosts: a.localhost}]", "apps[0].name"),
        ("authz: {groups: [{users: [a]}]}", "authz.groups[0].name"),
        ("cookie: {persistent: 'yes'}", "cookie.persistent"),
        ("cookie: {persistent: yes}", "cookie.persistent"),
        ("cookie: {secure: 1}", "cookie.secure"),
        ("cookie: {name: 'a b'}", "cookie.name"),
        ("cookie: {name: ''}", "cookie.name"),
        ("cookie: {domain: 'a b'}", "cookie.domain"),
        ("cookie: {domain: 5}", "cookie.domain"),
        ("logger: {level: loud}", "logger.level"),
        ("password: {bcrypt_cost: 11}", "password.bcrypt_cost"),
        ("password: {bcrypt_cost: 16}", "password.bcrypt_cost"),
        ("password: {min_length: 7}", "password.min_length"),
        ("password: {min_length: 1_0}", "password.min_length"),
        ("password: {min_length: 0o17}", "password.min_length"),
        ("limits: {otp_verify: []}", "limits.otp_verify"),
        ("limits: {body_size: 1KiB}", "limits.body_size"),
        ("limits: {body_size: 65536}", "limits.body_size"),
        ("storage: {path: 5}", "storage.path"),
        ("storage: {path: ''}", "storage.path"),
        ("storage: {redis: {addr: redis}}", "storage.redis.addr"),
        ("prometheus: {path: metrics}", "prometheus.path"),
        ("authz: {timezone: Mars/Olympus}", "authz.timezone"),
        ("authz: {timezone: ../../etc/passwd}", "authz.timezone"),
        ("authz: {rules: [{domain: localhost, methods: [get]}]}", "authz.rules[0].methods[0]"),
        ("authz: {rules: [{domain: localhost, effect: permit}]}", "authz.rules[0].effect"),
        ("authz: {rules: [{domain: localhost, policy: permit}]}", "authz.rules[0].policy"),
        ("authz: {rules: [{domain: localhost, who: any_user, users: [a]}]}", "authz.rules[0]"),
        ("authz: {rules: [{domain: localhost, effect: require}]}", "authz.rules[0]"),
        ("authz: {rules: [{domain: localhost, require: []}]}", "authz.rules[0]"),
        ("authz: {rules: [{domain: localhost, effect: allow, require: [passkey]}]}", "authz.rules[0]"),
        ("authz: {rules: [{domain: localhost, require: [passkey, passkey]}]}", "authz.rules[0].require"),
        ("authz: {rules: [{domain: localhost, require: [5]}]}", "authz.rules[0].require"),
        ("authz: {rules: [{domain: a, hosts: b}]}", "authz.rules[0].domain"),
        ("server: {cookieName: a}\ncookie: {name: b}", "server.cookieName"),
        ("apps: [{name: A, hosts: a.localhost, icon: https://x/i.png}]", "apps[0].icon"),
        ("apps: [{name: A, hosts: a.localhost, url: 'javascript:1'}]", "apps[0].url"),
        ('apps: [{name: "A\\nB", hosts: a.localhost}]', "apps[0].name"),
        ("apps: [{name: 5, hosts: a.localhost}]", "apps[0].name"),
        ("headers: {referrer_policy: no-referrer}", "headers.referrer_policy"),
        ("proxy: {hops: 0}", "proxy.hops"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_at_its_place(text: str, start: str) -> None:
    """C-16, C-17: what is not understood is refused, never replaced by something else."""
    assert any(line.split(":")[0].split(" (")[0] == start for line in problems_of(text)), problems_of(text)


def test_an_empty_section_is_an_absent_one() -> None:
    assert load("server:\nauthz:\n  rules:\nauthn:\n  provider:\n").config == Config()


def test_a_warning_level_has_two_spellings() -> None:
    """C-16."""
    assert load("logger: {level: warn}").config.logger.level == "warning"


def test_a_problem_in_a_variable_has_no_line_of_the_file() -> None:
    rules = "[{domain: 'app.example.com', path: '~(', users: [a]}]"
    (problem,) = problems_of(SOUND + b"authz: {rules: []}\n", environ={"DOORWARD__AUTHZ__RULES": rules})
    assert problem.startswith("authz.rules[0].path[0]:")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("[{domain: a, domain: b}]", "DOORWARD__AUTHZ__RULES at [0].domain: this key stands here twice"),
        ("[", "DOORWARD__AUTHZ__RULES: the value cannot be read"),
        ("[*a]", "DOORWARD__AUTHZ__RULES: the value cannot be read"),
        ("\udcff[", "authz.rules[0]"),
        ("[\udcff]", "DOORWARD__AUTHZ__RULES: the value cannot be read"),
        ("app.example.com", "authz.rules[0]: this must be a section"),
    ],
)
def test_a_list_in_a_variable_is_read_as_strictly(text: str, start: str) -> None:
    """Q02."""
    assert problems_of(environ={"DOORWARD__AUTHZ__RULES": text})[0].startswith(start)


def test_a_number_too_high_or_too_low_says_the_bounds() -> None:
    found = problems_of("password: {bcrypt_cost: 16, min_length: 7}\nproxy: {hops: 17}\n")
    assert any("16 is too high -- at most 15" in problem for problem in found)
    assert any("7 is too low -- at least 8" in problem for problem in found)


def test_a_section_in_the_way_of_a_variable_is_told_once() -> None:
    (problem,) = problems_of("session: 5\n", environ={"DOORWARD__SESSION__TTL": "1h"})
    assert problem.startswith("session (line 1)")
