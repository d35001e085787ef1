"""A secret can stand in a file, whose one trailing newline is not part of it (Q08)."""

from pathlib import Path

import pytest

from doorward.config.load import Loaded, parse_config
from doorward.config.values import Secret
from doorward.errors import ConfigError

SOUND = b"server: {public_url: https://auth.example.com}\ncookie: {domain: example.com}\n"


def load(text: bytes = SOUND, *, environ: dict[str, str] | None = None) -> Loaded:
    return parse_config(text, environ=environ or {})


def problems_of(text: bytes = SOUND, *, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(text, environ=environ)
    return list(refused.value.problems)


SECRET = b"Zm9vYmFyYmF6cXV4Zm9vYmFy"


def write(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_one_newline_is_trimmed(tmp_path: Path, end: bytes) -> None:
    """Q08."""
    path = write(tmp_path, SECRET + end)
    loaded = load(environ={"DOORWARD__PROXY__SECRETS__CADDY_FILE": str(path)})
    assert loaded.config.proxy.secrets.caddy == Secret(SECRET.decode())
    assert str(path) in loaded.origins["proxy.secrets.caddy"]


def test_the_file_can_name_it_too(tmp_path: Path) -> None:
    path = write(tmp_path, SECRET)
    text = SOUND + f"proxy: {{secrets: {{envoy_file: {path}}}}}\n".encode()
    assert load(text).config.proxy.secrets.envoy == Secret(SECRET.decode())


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"x\r\n", "Windows"),
        (b"\xef\xbb\xbfx", "byte order mark"),
        (b"x\n\n", "more than one line"),
        (b"x\ny", "more than one line"),
        (b"x\0", "is not text"),
        (b"", "empty"),
        (b"\n", "empty"),
        (b"  \n", "empty"),
        (b"\xff\xfex", "byte order mark"),
        (b"x\xff", "UTF-8"),
        (b"x" * 70_000, "too long"),
    ],
)
def test_anything_else_is_a_problem(tmp_path: Path, content: bytes, word: str) -> None:
    """Q08."""
    path = write(tmp_path, content)
    (problem,) = problems_of(environ={"DOORWARD__PROXY__SECRETS__CADDY_FILE": str(path)})
    assert word in problem


@pytest.mark.parametrize("name", ["/does/not/exist", "", "\0"])
def test_a_file_that_cannot_be_read_is_a_problem(name: str) -> None:
    (problem,) = problems_of(environ={"DOORWARD__PROXY__SECRETS__CADDY_FILE": name})
    assert problem.startswith("proxy.secrets.caddy_file")


def test_a_file_that_others_may_read_is_noted(tmp_path: Path) -> None:
    """Q08."""
    path = write(tmp_path, SECRET, 0o644)
    loaded = load(environ={"DOORWARD__PROXY__SECRETS__CADDY_FILE": str(path)})
    assert any("can be read by others (mode 0644)" in str(notice) for notice in loaded.notices)


def test_both_forms_at_once_are_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, SECRET)
    secret = SECRET.decode()
    (problem,) = problems_of(SOUND + f"proxy: {{secrets: {{envoy: {secret}, envoy_file: {path}}}}}\n".encode())
    assert problem.startswith("proxy.secrets.envoy_file")


def test_a_variable_of_either_form_beats_the_file_of_either_form(tmp_path: Path) -> None:
    path = write(tmp_path, SECRET)
    other = "b3RoZXJvdGhlcm90aGVyb3RoZXI"
    inline = SOUND + f"proxy: {{secrets: {{envoy: {other}}}}}\n".encode()
    named = SOUND + b"proxy: {secrets: {envoy_file: /does/not/exist}}\n"
    by_file = load(inline, environ={"DOORWARD__PROXY__SECRETS__ENVOY_FILE": str(path)})
    assert by_file.config.proxy.secrets.envoy == Secret(SECRET.decode())
    by_text = load(named, environ={"DOORWARD__PROXY__SECRETS__ENVOY": other})
    assert by_text.config.proxy.secrets.envoy == Secret(other)


def test_only_secrets_have_a_file_form() -> None:
    (problem,) = problems_of(environ={"DOORWARD__SERVER__ADDR_FILE": "/x"})
    assert "no setting has this name" in problem
