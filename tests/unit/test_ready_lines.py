"""What is pasted where a key is used: every shell and every reader of YAML takes it for what is meant."""

import shlex
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.app_key import KeyId, write_key
from doorward.web.ready_lines import write_lines, write_own_line

KEY = write_key(KeyId("k3y4ph0ne000"), bytes(range(32)))
NAMES = st.text(st.characters(codec="utf-8"), max_size=60)
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="?#"), max_size=40).map(lambda text: "/" + text)


def test_the_lines_name_the_app_and_carry_the_key():
    lines = write_lines("Grafana", "https://grafana.example.test/d/home", user="alice", key=KEY)
    assert lines.url == "https://grafana.example.test/d/home"
    assert shlex.split(lines.api_key) == ["curl", "-H", f"X-Api-Key: {KEY}", lines.url]
    assert shlex.split(lines.bearer) == ["curl", "-H", f"Authorization: Bearer {KEY}", lines.url]
    assert shlex.split(lines.basic) == ["curl", "-u", f"alice:{KEY}", lines.url]
    assert lines.git == "git clone https://alice@grafana.example.test/OWNER/REPOSITORY.git"
    assert lines.in_url == ""


def test_a_key_for_a_path_is_shown_with_it_and_in_the_address_only_where_it_may_stand_there():
    lines = write_lines(
        "Calendar", "https://dav.example.test/", user="alice", key=KEY, path="/feeds/it's", parameter="dw_key"
    )
    assert lines.in_url == f"https://dav.example.test/feeds/it's?dw_key={KEY}"
    assert shlex.split(lines.api_key)[-1] == "https://dav.example.test/feeds/it's"


def test_the_guide_shows_what_the_page_shows():
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "app-keys.md").read_text("utf-8")
    app = write_lines("Grafana", "https://grafana.example.com/", user="alice", key="KEY", path="/api/health")
    assert app.home_assistant.replace("KEY", "dw_…") in guide
    files = write_lines("Files", "https://files.example.com/dav/", user="alice", key="KEY")
    assert files.basic.replace("alice:KEY", "'alice:dw_…'") in guide


def test_our_own_api_is_asked_with_bearer():
    assert shlex.split(write_own_line("https://auth.example.test", key=KEY)) == [
        "curl", "-H", f"Authorization: Bearer {KEY}", "https://auth.example.test/api/v1/account",
    ]  # fmt: skip


@given(NAMES, PATHS)
def test_no_name_and_no_path_breaks_out_of_its_line(name, path):
    """K11: names and paths are somebody's text; they stay one word for a shell and one string for YAML."""
    lines = write_lines(name, "https://app.example.test:8443/", user="o'neil@example.test", key=KEY, path=path)
    assert [len(shlex.split(line)) for line in (lines.api_key, lines.bearer, lines.basic)] == [4, 4, 4]
    assert len(shlex.split(lines.git)) == 3
    (sensor,) = yaml.safe_load(lines.home_assistant)["rest"]
    assert sensor["headers"] == {"X-Api-Key": KEY}
    assert sensor["resource"] == lines.url
    assert len(sensor["sensor"]) == 1


def test_nothing_that_is_printed_for_us_shows_the_key():
    lines = write_lines("Grafana", "https://grafana.example.test/", user="alice", key=KEY, parameter="dw_key")
    assert KEY not in repr(lines)


@pytest.mark.parametrize("user", ["alice", "alice@example.test"])
def test_git_is_told_the_user_and_asks_for_the_key(user):
    line = write_lines("Git", "https://git.example.test/", user=user, key=KEY).git
    assert KEY not in line
    assert user.replace("@", "%40") in line
