"""Starting (attacks Q, A02): what would open the door by mistake does not start, and what is dangerous on purpose says so."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.attacks.invariants import attacked
from tests.attacks.stage import CONFIG, ROOT, STRANGER, add_person, serving
from tests.integration.gateway import doorward
from tests.integration.processes import free_ports

MISCONFIGURED = 78


def start(folder: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to refuse."""
    config = folder / "doorward.yaml"
    config.write_text(text, "utf-8")
    return subprocess.run(
        doorward("serve", "--config", str(config)),
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def text_with(trusted: str) -> str:
    """The stage's configuration with another list of proxies."""
    main, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{main}", metrics=metrics)
    return text.replace("trusted: [127.0.0.2/32]", trusted)


@pytest.mark.parametrize(
    "trusted",
    ["trusted: ['*']", "trusted: '0.0.0.0/0'", "trusted: ['::/0']", "trusted: [0.0.0.0/1, 128.0.0.0/1]", "trusted: ['10.0.0.1/8']",
     "trusted: ['10.0.0']", "trusted: [proxy]", "trusted: ['fe80::1%eth0']", "trusted: '10.0.0.0/8;10.1.0.0/16'",
     "trusted: ['10.0.0.0/8 ']", "trused: [127.0.0.2/32]"],
)  # fmt: skip
def test_a_list_of_proxies_that_would_let_in_more_than_was_meant_does_not_start(tmp_path: Path, trusted: str) -> None:
    """A02, Q07: nothing listens, and what is wrong is said."""
    done = start(tmp_path, text_with(trusted))
    assert done.returncode == MISCONFIGURED
    assert "proxy." in done.stderr
    assert "Traceback" not in done.stderr


def test_trusting_everybody_on_purpose_is_said_at_every_start(tmp_path: Path) -> None:
    """A02: the switch has `insecure` in its name, and its effect in the log."""
    port, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics)
    text = text.replace("[127.0.0.2/32]", "['0.0.0.0/0'], insecure_trust_everyone: true")
    for _ in range(2):
        with serving(tmp_path, text, port) as stage:
            stage.gateway.process.wait_until(lambda stage=stage: "insecure_trust_everyone" in stage.log)
            assert stage.ask("traefik", host=b"pub.example.test", target=b"/public", source=STRANGER).status == 200
        (tmp_path / "doorward.log").unlink()


@pytest.mark.parametrize(
    "key", ["", "changeme", "0" * 64, "x" * 32, "0123456789abcdef" * 4, "A" * 43 + "=", "\n", "a" * 63]
)
def test_a_key_that_is_no_key_does_not_start(tmp_path: Path, key: str) -> None:
    """Q05: from the environment, or from a file."""
    assert start(tmp_path, text_with("trusted: []"), ENCRYPTION_KEY=key).returncode == MISCONFIGURED
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(key, "ascii")
    done = start(tmp_path, text_with("trusted: []"), ENCRYPTION_KEY_FILE=str(path))
    assert done.returncode == MISCONFIGURED
    assert key.strip() == "" or key not in done.stderr


def test_secrets_that_others_can_read_do_not_start(tmp_path: Path) -> None:
    """Q08: the key file, the database, the folder."""
    text = text_with("trusted: []")
    (tmp_path / "doorward.yaml").write_text(text, "utf-8")
    add_person(tmp_path / "doorward.yaml", ROOT)
    for name, mode in (("encryption_key", 0o644), ("doorward.db", 0o640), (".", 0o755)):
        path = tmp_path / "data" / name
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        done = start(tmp_path, text)
        assert done.returncode == MISCONFIGURED, name
        assert "chmod" in done.stderr
        path.chmod(before)


def test_there_is_no_account_before_somebody_makes_one(tmp_path: Path) -> None:
    """Q05: none is built in, under no name and no password."""
    port, metrics = free_ports(2)
    with serving(tmp_path, CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics), port) as stage:
        stage.gateway.process.wait_until(lambda: "/setup?token=" in stage.log)
        with attacked(stage):
            for name in ("admin", "root", "doorward", "administrator"):
                for password in (name, "password", ""):
                    # Nobody can sign in where nobody is: the page says how to begin, or the try is refused.
                    page = stage.browser().get("/login")
                    assert page.status in {200, 303, 404}
                    if b'type="password"' in page.body:
                        assert stage.browser().try_password(name, password).status == 403
            assert stage.query("SELECT count(*) FROM users") == [(0,)]
