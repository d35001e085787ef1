"""A configuration file is data: nothing in it runs, multiplies itself, or means something else than it says."""

import os
from pathlib import Path

import pytest

from doorward.config.load import load_config, parse_config
from doorward.config.source import MAX_BYTES, MAX_DEPTH, MAX_NODES, read_document
from doorward.errors import ConfigError


def problems_of(raw: bytes | str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse_config(raw.encode() if isinstance(raw, str) else raw, environ={})
    return list(refused.value.problems)


def test_a_billion_laughs_are_counted_and_not_built() -> None:
    """Q02."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert any("multiplies itself by aliases" in problem for problem in problems_of("\n".join(lines)))


def test_an_alias_within_reason_is_read() -> None:
    """Q02: anchors as such are no attack."""
    text = "authz:\n  rules:\n    - {domain: localhost, users: &us [alice, bob]}\n    - {domain: localhost, groups: [a], users: *us}\n"
    rules = parse_config(text.encode(), environ={}).config.authz.rules
    assert rules[0].users == rules[1].users == ("alice", "bob")


def test_an_alias_to_itself_is_refused() -> None:
    """Q02."""
    assert any("stands for nothing yet" in problem for problem in problems_of("authz: &a {rules: *a}"))


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch {marker}']",
        "!!python/object/new:os.system ['touch {marker}']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!binary aGVsbG8=",
        "!!str x",
        "!custom x",
        "! x",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch {marker}']",
    ],
)
def test_a_tag_is_refused_and_runs_nothing(tag: str, tmp_path: Path) -> None:
    """Q02."""
    marker = tmp_path / "ran"
    found = problems_of("storage:\n  path: " + tag.replace("{marker}", str(marker)))
    assert any("tags such as" in problem for problem in found)
    assert not marker.exists()


def test_a_key_given_twice_is_refused() -> None:
    """Q02: whichever of the two would win, somebody reading the file would believe the other."""
    found = problems_of("proxy:\n  trusted: []\n  trusted: [10.0.0.0/8]\n")
    assert found == ["proxy.trusted (line 3): this key stands here twice -- keep one of them"]


def test_keys_that_differ_only_in_quotes_are_the_same_key() -> None:
    """Q02."""
    assert any("twice" in problem for problem in problems_of("logger: {}\n'logger': {}\n"))


def test_a_merge_key_is_refused() -> None:
    """Q02."""
    found = problems_of("logger: &l {level: debug}\nserver:\n  <<: *l\n")
    assert any("merge keys are not read" in problem for problem in found)


@pytest.mark.parametrize("word", ["no", "off", "yes", "on", "No", "y", "n", "OFF", "0", "1", "'true'", "~", "null"])
def test_only_true_and_false_are_booleans(word: str) -> None:
    """Q02: YAML 1.1 would read most of these as a boolean."""
    text = f"proxy: {{trusted: [10.0.0.1], insecure_trust_everyone: {word}}}"
    if word in {"~", "null"}:
        assert parse_config(text.encode(), environ={}).config.proxy.insecure_trust_everyone is False
    else:
        assert any("insecure_trust_everyone" in problem for problem in problems_of(text))


def test_norway_is_a_user() -> None:
    """Q02: `no` where text is meant is the text."""
    text = "authz: {rules: [{domain: localhost, users: [no, on]}]}"
    assert parse_config(text.encode(), environ={}).config.authz.rules[0].users == ("no", "on")


@pytest.mark.parametrize(
    ("key", "value"), [("ttl", "1:30"), ("ttl", "0o17"), ("ttl", "24"), ("ttl", "1_0m"), ("ttl", "2026-01-01")]
)
def test_numbers_of_older_yaml_are_no_spans(key: str, value: str) -> None:
    """Q02: 1:30 was 90 in YAML 1.1, and 0o17 was 15 in YAML 1.2."""
    assert any(problem.startswith(f"session.{key}") for problem in problems_of(f"session: {{{key}: {value}}}"))


@pytest.mark.parametrize("value", ["0o17", "017", "0x10", "1_2", "1.2e1", "12.0", "'12'", "1:2", "９"])
def test_only_plain_digits_are_numbers(value: str) -> None:
    """Q02."""
    assert any(
        problem.startswith("password.bcrypt_cost") for problem in problems_of(f"password: {{bcrypt_cost: {value}}}")
    )


def test_ten_megabytes_are_refused_unread(tmp_path: Path) -> None:
    """Q02: reading stops at the limit, whatever the size of the file."""
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.write(b"# ")
        os.truncate(file.fileno(), 10 * 1024 * 1024)
    with pytest.raises(ConfigError) as refused:
        load_config(path, environ={})
    assert "bytes are too many" in refused.value.problems[0]


def test_too_many_nodes_are_refused() -> None:
    """Q02."""
    raw = b"a: [" + b"x," * (MAX_NODES + 1) + b"]"
    assert len(raw) < MAX_BYTES
    assert any("too long" in problem for problem in problems_of(raw))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(opening: str) -> None:
    """Q02: far below what could exhaust the stack."""
    found = problems_of("a:\n  " + opening * 20_000)
    assert any(f"deeper than {MAX_DEPTH}" in problem or "not YAML" in problem for problem in found)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe\x00",
        b"server: \xc3\x28",
        b"a: \x00",
        b"a: \x1b[31m",
        b"---\n---\n",
        b"a: 1\n---\nb: 2\n",
        b"? [a]\n: b\n",
        b"? {a: b}\n: c\n",
        b"*x : y",
        b"%TAG ! tag:x,2002:\n---\na: !y z",
        b"\t- a",
        b"a: b: c",
        b"@",
        b"5",
        b"- x",
    ],
)
def test_what_is_not_a_mapping_of_sections_is_refused(raw: bytes) -> None:
    """Q02."""
    assert problems_of(raw)


def test_a_byte_order_mark_before_yaml_is_harmless() -> None:
    assert parse_config(b"\xef\xbb\xbflogger: {level: debug}", environ={}).config.logger.level == "debug"


def test_the_parser_without_its_c_library_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Q02: what is read does not depend on how the YAML library was built."""
    texts = [
        Path(__file__).parents[1].joinpath("vectors/forward-auth-config.yaml").read_bytes(),
        b"a: &x [1, no, 'yes', ~, 0o17, 1:30]\nb: *x\nc: |\n  text\n",
    ]
    fast = [read_document(raw, {}) for raw in texts]
    monkeypatch.delattr("yaml.CSafeLoader")
    slow = [read_document(raw, {}) for raw in texts]
    assert [document.tree for document in fast] == [document.tree for document in slow]
    assert [document.findings for document in slow] == [[], []]
    assert [document.lines for document in fast] == [document.lines for document in slow]


@pytest.mark.parametrize(
    "value", ["10.0.0.0/8 ", "10.0.0.1/8", "10.0.0", "proxy", "fe80::1%eth0", "10.0.0.0/8;10.1.0.0/16"]
)
def test_a_typo_among_trusted_proxies_stops_the_start_and_is_named(value: str) -> None:
    """Q07."""
    assert value in "".join(problems_of(f"proxy: {{trusted: ['{value}']}}"))
    with pytest.raises(ConfigError) as refused:
        parse_config(b"", environ={"DOORWARD__PROXY__TRUSTED": value})
    assert value in "".join(refused.value.problems)


@pytest.mark.parametrize("trusted", ["'*'", "0.0.0.0/0", "'::/0'", "[0.0.0.0/1, 128.0.0.0/1]"])
def test_trusting_the_whole_world_stops_the_start(trusted: str) -> None:
    """A02."""
    assert any("world" in problem for problem in problems_of(f"proxy: {{trusted: {trusted}}}"))


@pytest.mark.parametrize("text", ["", "proxy: {}", "proxy: {trusted: []}", "proxy: {trusted: }"])
def test_trust_that_is_unset_or_empty_is_trust_in_nobody(text: str) -> None:
    """A02."""
    assert parse_config(text.encode(), environ={}).config.proxy.trusted == ()


def test_there_is_no_account_and_no_secret_by_default() -> None:
    """Q05."""
    config = parse_config(b"", environ={}).config
    assert all(secret is None for _, secret in config.proxy.secrets)
    assert config.authn.provider is None
    assert config.authz.rules == ()
