"""`doorward explain` answers as the gate would, and says why."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doorward.cli import main
from doorward.cli.explain import read_request
from doorward.errors import InputError


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]
CONFIG = """
server: {public_url: 'https://auth.example.com'}
cookie: {domain: example.com}
password: {bcrypt_cost: 12}
authz:
  rules:
    - {domain: "*.example.com", groups: [staff]}
    - {name: strict, domain: admin.example.com, require: [two_factor]}
    - {name: inside, domain: lan.example.net, who: anyone, networks: [10.0.0.0/8]}
apps:
  - {name: Console, hosts: admin.example.com}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration, and data with one account, made by a process of its own."""
    folder = tmp_path_factory.mktemp("explain")
    (folder / "doorward.yaml").write_text(CONFIG)
    words = ["user", "add", "alice", "--group", "staff", "--password-stdin"]
    subprocess.run(
        [sys.executable, "-c", "from doorward.cli import main; main()", *words],
        cwd=folder, input="Nine-Lanterns-42-drift\n", text=True, timeout=60, check=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def run(site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The command line in this process; opening the house narrows the umask, so it is put back."""

    def call(*words: str, **variables: str) -> Done:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["doorward", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else int(code is not None), out, err)

    monkeypatch.chdir(site)
    for name in [name for name in os.environ if name.startswith("DOORWARD")]:
        monkeypatch.delenv(name)
    before = os.umask(0o077)
    yield call
    os.umask(before)


def test_a_stranger_is_asked_to_sign_in(run: Run) -> None:
    done = run("explain", "https://app.example.com/x")
    assert done.returncode == 0, done.stderr
    assert "ASKED TO SIGN IN: no_session. You are not signed in." in done.stdout
    assert "1. sign in as a member of staff" in done.stdout
    assert "2 more for other hosts: not considered." in done.stdout


def test_an_account_is_judged_with_its_groups(run: Run) -> None:
    done = run("explain", "--user", "alice", "--method", "POST", "https://app.example.com/x")
    assert "POST https://app.example.com/x as alice" in done.stdout
    assert "groups: staff" in done.stdout
    assert "ALLOWED: rule." in done.stdout
    assert "decided by the allow rule 'rule 1'" in done.stdout


def test_a_missing_factor_is_named_and_can_be_assumed(run: Run) -> None:
    done = run("explain", "--user", "alice", "https://admin.example.com/x")
    assert "app: Console" in done.stdout
    assert "ASKED TO SIGN IN: two_factor_required" in done.stdout
    assert "1. sign in with a second factor" in done.stdout
    with_factor = run("explain", "--user", "alice", "--factor", "totp", "https://admin.example.com/x")
    assert "require rule 'strict' matches and holds" in with_factor.stdout


def test_the_answer_can_be_read_by_programs(run: Run) -> None:
    done = run("explain", "--from", "203.0.113.9", "--json", "https://lan.example.net/")
    found = json.loads(done.stdout)
    assert (found["verdict"], found["reason"]) == ("challenge", "no_session")
    assert found["remedy"] == {
        "steps": ["come from 10.0.0.0/8"], "verdict": "allow", "reason": "public", "rule": "inside",
    }  # fmt: skip
    inside = json.loads(run("explain", "--from", "10.1.1.1", "--json", "https://lan.example.net/").stdout)
    assert (inside["verdict"], inside["rule"]) == ("allow", "inside")


def test_an_unknown_host_is_told(run: Run) -> None:
    done = run("explain", "https://elsewhere.example.net/")
    assert "DENIED: unknown_host" in done.stdout
    assert "No rule and no app speaks of elsewhere.example.net." in done.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--user", "bob", "https://app.example.com/"], 1),
        (["--key", "aaaaaaaaaaaa", "https://app.example.com/"], 1),
        (["--key", "aaaaaaaaaaaa", "--user", "alice", "https://app.example.com/"], 65),
        (["--key", "aaaaaaaaaaaa", "--factor", "totp", "https://app.example.com/"], 65),
        (["--key-in-url", "https://app.example.com/"], 65),
        (["app.example.com"], 65),
        (["https://app.example.com/", "--from", "home"], 65),
        (["https://app.example.com/", "--user", "alice", "--factor", "sms"], 65),
        (["https://app.example.com/", "--method", "get"], 65),
        (["https://app.example.com/", "--proto", "ftp"], 65),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(run: Run, words: list[str], code: int) -> None:
    done = run("explain", *words)
    assert done.returncode == code
    assert done.stderr.startswith("doorward: ")
    assert len(done.stderr.splitlines()) == 1


def test_asking_about_an_account_makes_no_database_and_no_key(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doorward.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    done = run("explain", "--user", "alice", "https://app.example.com/")
    assert done.returncode == 1
    assert done.stderr == "doorward: there are no accounts yet: data holds no database\n"
    assert [path.name for path in tmp_path.iterdir()] == ["doorward.yaml"]
    assert run("explain", "https://app.example.com/").returncode == 0


def test_without_https_whoever_may_serve_may_also_ask(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server started with --allow-insecure-http is looked after without saying so each time."""
    (tmp_path / "doorward.yaml").write_text(CONFIG.replace("https://auth", "http://auth"))
    monkeypatch.chdir(tmp_path)
    assert run("explain", "https://app.example.com/").returncode == 0
    assert run("session", "list").returncode == 0
    assert run("user", "list").stdout == "There are no accounts yet.\n"
    assert run("config", "check").returncode == 78


def test_an_address_is_read_as_the_gate_reads_it() -> None:
    request = read_request("HTTPS://App.Example.com:8443/a%20b/../c?x=/y", method="PUT", client="::1", scheme="http")
    assert (request.host, request.port, request.scheme) == ("app.example.com", "8443", "http")
    assert request.path == "/a b/../c"
    assert request.ambiguous
    assert str(request.client) == "::1"
    assert read_request("https://a.b?x").target == "/?x"
    assert read_request("https://a.b").path == "/"


@pytest.mark.parametrize(
    "url", ["/x", "https:///x", "https://a b/", "https://a.b/\n", "https://a.b/%zz", "https://u@a.b/", "https://a.b/#x"]
)
def test_what_the_gate_would_refuse_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        read_request(url)


def test_a_network_that_stands_for_an_account_is_named(run: Run, site: Path) -> None:
    """D-11: asked as nobody, from the network and from elsewhere; and never for somebody who is signed in."""
    (site / "home.yaml").write_text(CONFIG + "single_user: {user: alice, networks: [192.168.1.0/24]}\n")
    words = ("explain", "https://app.example.com/x", "--config", "home.yaml")
    home = run(*words, "--from", "192.168.1.20")
    assert "as alice, whom that network stands for: nobody is signed in" in home.stdout
    assert "ALLOWED: single_user." in home.stdout
    assert "ASKED TO SIGN IN" in run(*words, "--from", "203.0.113.7").stdout
    assert "ALLOWED: rule." in run(*words, "--from", "192.168.1.20", "--user", "alice").stdout
    strict = json.loads(
        run("explain", "https://admin.example.com", *words[2:], "--from", "192.168.1.20", "--json").stdout
    )
    assert (strict["reason"], strict["single_user"], strict["user"]) == ("two_factor_required", True, "alice")


def test_a_network_stands_for_nobody_where_there_are_no_accounts(run: Run, tmp_path: Path) -> None:
    text = f"storage: {{path: '{tmp_path / 'none'}'}}\n"
    (tmp_path / "home.yaml").write_text(CONFIG + text + "single_user: {user: alice, networks: [192.168.1.0/24]}\n")
    done = run("explain", "https://app.example.com", "--config", str(tmp_path / "home.yaml"), "--from", "192.168.1.20")
    assert "ASKED TO SIGN IN: no_session" in done.stdout
    assert not (tmp_path / "none").exists()


def test_what_a_page_elsewhere_asks_for_is_explained(run: Run, site: Path) -> None:
    (site / "guarded.yaml").write_text(CONFIG.replace("hosts: admin", "guard_cross_site: true, hosts: app"))
    done = run(
        "explain", "https://app.example.com/x", "--config", "guarded.yaml", "--user", "alice", "--method", "POST",
        "--cross-site",
    )  # fmt: skip
    assert "DENIED: cross_site." in done.stdout
    assert "1. do it from a page of the app's own" in done.stdout


def test_a_key_is_explained_by_its_id(run: Run) -> None:
    """What it narrows, what its owner may, and what another key would have to be like; its text is not needed."""
    words = ("key", "create", "--user", "alice", "--name", "Phone", "--json")
    made = json.loads(run(*words, "--host", "app.example.com", "--path", "/cal", "--read-only").stdout)
    asked = ("explain", "--key", made["id"])
    allowed = run(*asked, "https://app.example.com/cal/x").stdout
    assert allowed.startswith("GET https://app.example.com/cal/x as alice\n")
    assert f"  by the key: Phone ({made['id']})" in allowed
    assert "ALLOWED: rule." in allowed
    for target, more, reason, step in (
        ("app.example.com/calx", (), "key_path", "use a key that is for this path, too"),
        ("app.example.com/cal", ("--method", "PUT"), "key_read_only", "use a key that may change things"),
        ("app.example.com/cal", ("--key-in-url",), "key_in_url", None),
        ("admin.example.com/cal", (), "key_app", None),
    ):
        found = json.loads(run(*asked, f"https://{target}", *more, "--json").stdout)
        assert (found["verdict"], found["reason"]) == ("deny", reason)
        assert found["key"] == {"id": made["id"], "name": "Phone"}
        assert step is None or found["remedy"]["steps"] == [step]
    assert made["key"] not in allowed
    run("user", "disable", "alice")
    assert "DENIED: user_disabled" in run(*asked, "https://app.example.com/cal").stdout
    run("user", "enable", "alice")
