"""Files with secrets that others can reach: refused with the command that mends it, or noted."""

import shutil
import subprocess

import pytest

from doorward.config.exposure import MOUNTED, is_tracked, list_secret_files, note_exposed, refuse_exposed
from doorward.config.load import load_config
from doorward.errors import ConfigError

SECRET = "correct-horse-battery-9"
SOUND = 'server: {public_url: "https://auth.example.com"}\nproxy: {trusted: ["10.0.0.1/32"]}\n'


def write(path, text, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def load(folder, more="", mode=0o600):
    text = SOUND + f"storage: {{path: {folder / 'data'}}}\n" + more
    return load_config(write(folder / "doorward.yaml", text, mode), environ={})


def with_file(folder, mode):
    secret = write(folder / "caddy secret", SECRET, mode)
    return load(
        folder, f'mail: {{host: smtp.example.com, sender: a@example.com, username: a, password_file: "{secret}"}}\n'
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_secret_file_that_others_reach_stops_the_start(tmp_path, mode):
    """A-44, A-45, D-43: and the very command that mends it is said."""
    loaded = with_file(tmp_path, mode)
    with pytest.raises(ConfigError) as caught:
        refuse_exposed(loaded)
    (problem,) = caught.value.problems
    assert problem.endswith(f"chmod 600 '{tmp_path}/caddy secret'")
    (tmp_path / "caddy secret").chmod(0o600)
    refuse_exposed(loaded)
    assert note_exposed(loaded) == []


def test_what_an_orchestrator_mounts_is_its_word(tmp_path, monkeypatch):
    monkeypatch.setattr("doorward.config.exposure.MOUNTED", (*MOUNTED, tmp_path))
    refuse_exposed(with_file(tmp_path, 0o444))


def test_a_file_that_is_gone_meanwhile_is_somebody_elses_problem(tmp_path):
    loaded = with_file(tmp_path, 0o600)
    (tmp_path / "caddy secret").unlink()
    assert len(list_secret_files(loaded)) == 1
    refuse_exposed(loaded)


def test_a_readable_configuration_is_noted_only_where_it_holds_secrets(tmp_path):
    """A-45."""
    assert note_exposed(load(tmp_path, mode=0o644)) == []
    more = f"mail: {{host: smtp.example.com, sender: a@example.com, username: a, password: {SECRET}}}\n"
    (notice,) = note_exposed(load(tmp_path, more, 0o644))
    assert "holds secrets and has mode 644" in str(notice)
    assert SECRET not in str(notice)
    assert note_exposed(load(tmp_path, more)) == []


def test_defaults_have_no_file(tmp_path):
    assert note_exposed(load_config(None, environ={"DOORWARD__STORAGE__PATH": str(tmp_path)})) == []


@pytest.mark.parametrize("folder", ["public_html", "htdocs/door"])
def test_what_a_web_server_would_serve_is_noted(tmp_path, folder):
    """D-34."""
    notices = note_exposed(load(tmp_path / folder))
    assert [each.path for each in notices] == ["storage.path", "config"]
    assert all("web servers serve files" in str(each) for each in notices)


def test_secrets_in_a_repository_are_noted(tmp_path):
    """E-05: what is tracked, and not what only lies beside it."""
    git = shutil.which("git")
    assert git is not None
    secret = write(tmp_path / "secret", SECRET)
    data = write(tmp_path / "data" / "doorward.db", "")
    for command in (["init", "-q"], ["add", "secret"]):
        subprocess.run([git, "-C", str(tmp_path), *command], check=True)
    assert is_tracked(secret)
    assert not is_tracked(data.parent)
    more = f'mail: {{host: smtp.example.com, sender: a@example.com, username: a, password_file: "{secret}"}}\n'
    (notice,) = note_exposed(load(tmp_path, more))
    assert "part of a git repository" in str(notice)
    subprocess.run([git, "-C", str(tmp_path), "add", "data/doorward.db"], check=True)
    assert is_tracked(data.parent)


def test_secrets_of_providers_count_too(tmp_path):
    more = (
        "authn: {providers: [{id: idp, type: oidc, issuer_url: 'https://idp.example.com', client_id: door, "
        f"client_secret: {SECRET}}}]}}\n"
    )
    (notice,) = note_exposed(load(tmp_path, more, 0o640))
    assert notice.path == "config"
