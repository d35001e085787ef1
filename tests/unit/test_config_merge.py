"""One configuration is merged into another: its comments stay, and what comes out means both of them."""

from pathlib import Path

import pytest

from doorward.config.load import load_config, parse_config
from doorward.config.merge import Fate, merge_config
from doorward.config.portable import RULES, export_config
from doorward.config.written import read_written
from doorward.errors import ConfigError

FORWARD_AUTH = Path(__file__).parents[1] / "vectors" / "forward-auth-config.yaml"
PRESENT = b"""\
# ours, since 2019
server:
  public_url: https://auth.example.com  # behind the proxy
cookie: {domain: example.com}

authz:
  # who may open what
  rules:
    # the wiki
    - name: wiki
      domain: wiki.example.com
      groups: [staff]

    - {name: everybody, hosts: [app.example.com], who: any_user}
  # and groups
  groups:
    - name: staff
      users:
        - ann@example.com
"""


def merge(other, present=PRESENT, **more):
    return merge_config(present, other, **more)


def fates(merged):
    return {setting.path: setting.fate for setting in merged.settings}


def test_what_is_new_is_added_and_everything_else_stays_to_the_letter():
    merged = merge(
        b"authz: {rules: [{name: films, domain: films.example.com, users: [bob]}]}\nlogger: {level: debug}\n"
    )
    assert fates(merged) == {"authz.rules[2]": Fate.ADD, "logger.level": Fate.ADD}
    lines, before = merged.text.decode().splitlines(), PRESENT.decode().splitlines()
    assert [line for line in lines if line in before] == before
    assert [line for line in lines if line not in before] == [
        "    - {name: films, users: [bob], hosts: films.example.com}",
        "logger:",
        "  level: debug",
    ]
    config = parse_config(merged.text, environ={}).config
    assert [rule.name for rule in config.authz.rules] == ["wiki", "everybody", "films"]


def test_what_is_set_in_both_stays_unless_it_is_said():
    other = b"server: {public_url: 'https://other.example.com'}\nauthz: {rules: [{name: wiki, hosts: x.example.com}]}\n"
    merged = merge(other)
    assert fates(merged) == {"server.public_url": Fate.KEPT, "authz.rules[0]": Fate.KEPT}
    assert merged.text == PRESENT
    merged = merge(other, overwrite=True)
    assert fates(merged) == {"server.public_url": Fate.CHANGE, "authz.rules[0]": Fate.CHANGE}
    assert b'  public_url: "https://other.example.com"  # behind the proxy\n' in merged.text
    assert b"    # the wiki\n    - {name: wiki, hosts: x.example.com}\n\n    - {name: everybody" in merged.text


def test_what_is_the_same_is_left_alone():
    merged = merge(PRESENT)
    assert set(fates(merged).values()) == {Fate.SAME}
    assert merged.text == PRESENT


def test_other_spellings_are_the_same_setting():
    """C-14, C-15, C-26."""
    merged = merge(
        b"server: {domain: example.com}\nauthz: {rules: [{name: wiki, hosts: wiki.example.com, groups: [staff]}]}\n"
    )
    assert fates(merged) == {"cookie.domain": Fate.SAME, "authz.rules[0]": Fate.SAME}
    merged = merge(
        b"cookie: {domain: other.example, name: x}\n", b"server:\n  domain: example.com # old\n", overwrite=True
    )
    assert merged.text == b"server:\n  domain: other.example # old\ncookie:\n  name: x\n"


@pytest.mark.parametrize(
    "present",
    [
        b"",
        b"# nothing yet\n",
        b"authz:\n",
        b"authz:\n  rules:\n  groups: []\n",
        b"authz: {}\n",
        b"authz: {rules: []}",
        b"authz: {rules: [], groups: [{name: a, users: [b]}],}",
        b"authz:\n  groups:\n  - name: a\n    users: [b]\n# end",
        b"authz:\n  rules:\n  - name: a\n    domain: a.example.com\n    who: any_user # all\n\n\n# the end\n",
        b"server: {domain: 'x.example'}\nlogger:\n  level: |\n    info\n",
        b"\xef\xbb\xbfserver:\n  addr: :80",
    ],
)
def test_it_is_merged_into_whatever_is_there(present):
    other = FORWARD_AUTH.read_bytes()
    merged = merge(other, present)
    mine, theirs = read_written(merged.text, "merged").tree, read_written(other, "other").tree
    assert all(rule in mine["authz"]["rules"] for rule in theirs["authz"]["rules"])
    assert mine["session"] == theirs["session"]
    again = merge(other, merged.text)
    assert again.text == merged.text


@pytest.mark.parametrize("present", [b"authz:\n", b"authz: {}\n", b"authz: {rules: []}\n", b"authz:\n  rules:\n", b""])
def test_nothing_merged_into_it_changes_nothing(present):
    merged = merge(b"authz: {rules: []}\nserver: {}\nlogger:\n", present)
    assert merged.text == present


def test_the_ancestors_file_becomes_ours():
    """C-12: import is merging it into nothing."""
    merged = merge(FORWARD_AUTH.read_bytes(), b"")
    assert parse_config(merged.text, environ={}).config == load_config(FORWARD_AUTH, environ={}).config


def test_only_rules_and_apps_are_taken_where_that_is_asked():
    merged = merge(FORWARD_AUTH.read_bytes(), sections=RULES)
    assert {path.partition(".")[0] for path in fates(merged)} == {"authz"}


def test_variables_stay_variables():
    other = b"authn: {provider: {type: oidc, oidc: {client_secret: '${SECRET}', client_id: 'a${ID}b'}}}\n"
    merged = merge(other)
    assert b'client_secret: "${SECRET}"' in merged.text
    assert b'client_id: "a${ID}b"' in merged.text


def test_no_secret_shows_and_what_is_hidden_keeps_what_is_here():
    """Exports hide them; an import of one changes none."""
    present = b"mail: {host: x, password: sec-ret}\nauthn: {providers: [{id: a, client_secret: sec-ret, name: A}]}\n"
    other = b"mail: {password: '***'}\nauthn: {providers: [{id: a, client_secret: '***', name: A}]}\n"
    merged = merge(other, present, overwrite=True)
    assert merged.text == present
    other = b"mail: {password: other}\nauthn: {providers: [{id: a, client_secret: other, name: B}]}\n"
    merged = merge(other, present, overwrite=True)
    assert not {"sec-ret", "other"} & set(
        " ".join(s.before + s.after for s in merged.settings).replace(",", " ").split()
    )
    with pytest.raises(ConfigError) as refused:
        merge(b"mail: {password: '***'}\nauthn: {providers: [{id: b, client_secret: '***'}]}\n")
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "mail.password",
        "authn.providers[0].client_secret",
    ]


@pytest.mark.parametrize("text", [b"a: *b", b"- a", b"\xff", b"a: {b: " * 40, b"server: !!x {}"])
def test_what_is_no_configuration_is_refused(text):
    with pytest.raises(ConfigError):
        merge(text)
    with pytest.raises(ConfigError):
        merge(b"", text)


def test_a_token_is_good_for_these_texts_alone():
    """D-40."""
    one = merge(b"logger: {level: debug}\n")
    assert one.token == merge(b"logger:\n  level: debug\n").token
    assert one.token != merge(b"logger: {level: info}\n").token
    assert one.token != merge(b"logger: {level: debug}\n", PRESENT + b"\n").token


FULL = Path(__file__).parents[1] / "vectors"


@pytest.mark.parametrize("text", [PRESENT, FORWARD_AUTH.read_bytes()])
def test_an_export_means_the_same_and_holds_no_secret(text, tmp_path):
    """D-40."""
    (tmp_path / "word").write_text("sec-ret\n")
    text += f"\nmail: {{host: mail.example.com, username: a, sender: a@example.com, password_file: {tmp_path / 'word'}}}\n".encode()
    loaded = parse_config(text, environ={})
    exported = export_config(loaded)
    assert "sec-ret" not in exported
    assert "redis-password" not in exported
    assert str(tmp_path / "word") in exported
    merged = merge(exported.encode(), text)
    assert set(fates(merged).values()) <= {Fate.SAME, Fate.KEPT}
    assert export_config(parse_config(exported.encode(), environ={})) == exported


def test_an_export_of_every_kind_of_setting_loads_with_the_same_meaning():
    text = b"""
server: {public_url: "https://auth.example.com", addr: "unix:/run/d.sock"}
profile: strict
proxy: {trusted: [10.0.0.0/8, "::1/128"]}
session: {ttl: 90m, idle_timeout: off}
limits: {login: [5/1m, 20/1h]}
authz:
  timezone: Europe/Berlin
  rules:
    - {domain: "**.example.com", path: ["~^/a/[0-9]+$", "=/x", "/a/*/b"], methods: [GET], who: anyone, times: "Mon-Fri 08:00-18:00"}
    - {domain: a.example.com, require: [two_factor, fresh: 15m, network: [10.0.0.0/8]]}
    - {name: "no: #1", domain: a.example.com, policy: deny, networks: [192.0.2.0/24], users: [ann@example.com, "007"]}
apps:
  - {name: "Wiki, ours", hosts: ["wiki.example.com"], icon: book, url: "https://wiki.example.com/a?b=${x}"}
""".replace(b"${x}", b"$${x}")
    loaded = parse_config(text, environ={})
    exported = export_config(loaded)
    again = parse_config(exported.encode(), environ={})
    assert again.config == loaded.config
    rules = export_config(loaded, sections=RULES)
    assert rules.startswith("authz:\n")
    assert "server" not in rules
