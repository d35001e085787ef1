"""What may be called out to."""

from datetime import timedelta
from pathlib import Path

import pytest

from doorward.config.load import parse_config
from doorward.config.providers import build_outbound
from doorward.rules.outbound import parse_allowance
from tests.fakes.configured import load, problems_of

# Calling out


def test_what_may_be_called_is_read_and_passed_on() -> None:
    entries = ["auth.lan", "auth.lan:8443", "10.0.0.0/8", "[::1]:9000"]
    config = load(f"outbound: {{allow: {entries}, timeout: 5s}}").config
    policy = build_outbound(config)
    assert policy.allowances == tuple(parse_allowance(entry) for entry in entries)
    assert policy.insecure_http is False
    assert config.outbound.timeout == timedelta(seconds=5)
    assert build_outbound(load("outbound: {insecure_http: true}").config).insecure_http is True


@pytest.mark.parametrize("entry", ["'*'", "10.0.0.1/8", "'https://auth.lan'", "'auth.lan:99999'", "5", "0.0.0.0/0"])
def test_what_cannot_be_called_is_refused(entry: str) -> None:
    (problem,) = problems_of(f"outbound: {{allow: [{entry}]}}")
    assert problem.startswith("outbound.allow[0] (line 2): ")
    assert "write auth.lan, auth.lan:8443, 10.0.0.0/8" in problem


@pytest.mark.parametrize(
    ("addr", "own"),
    [
        ("':8080'", {"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"}),
        ("127.0.0.1:8080", {"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"}),
        ("'[::1]:8080'", {"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"}),
        ("10.0.0.5:8080", {"http://10.0.0.5:8080"}),
        ("'[fd00::5]:8080'", {"http://[fd00::5]:8080"}),
        ("unix:/run/d.sock", set()),
        ("127.0.0.1:0", set()),
    ],
)
def test_we_never_call_ourselves(addr: str, own: set[str]) -> None:
    text = f"server: {{public_url: 'https://auth.example.com', addr: {addr}}}\nprometheus: {{addr: off}}\n"
    policy = build_outbound(parse_config(text.encode(), environ={}).config)
    assert policy.own_origins == {"https://auth.example.com", *own}


def test_metrics_are_ourselves_too() -> None:
    assert "http://127.0.0.1:9120" in build_outbound(load("").config).own_origins


def test_a_file_of_certificates_must_hold_some(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"# ours\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert load(f"outbound: {{ca_file: {path}}}").config.outbound.ca_file == str(path)
    for content, words in ((b"nothing", "holds no certificate"), (b"x" * (4 * 1024 * 1024 + 1), "is too long")):
        path.write_bytes(content)
        (problem,) = problems_of(f"outbound: {{ca_file: {path}}}")
        assert problem.startswith("outbound.ca_file (line 2): ")
        assert words in problem
    (problem,) = problems_of("outbound: {ca_file: /no/such}")
    assert "cannot be read: No such file or directory" in problem
