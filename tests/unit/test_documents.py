"""The documents tell the truth: their examples load, and what is generated in them is not stale."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer.main

from doorward.cli import COMMANDS, GROUPS, build
from doorward.config.load import parse_config
from doorward.config.policy import build_policy
from doorward.rules.access import Allow, Challenge, Deny, Verdict, decide
from doorward.rules.identity import User, UserId
from doorward.rules.request import AccessRequest, parse_target
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle, Subject

ROOT = Path(__file__).parents[2]
HOME = {"server.public_url": "https://auth.example.com", "cookie.domain": "example.com"}
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def examples(document: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", (ROOT / document).read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", ["docs/policy.md", "docs/operations.md"])
def test_every_configuration_shown_in_the_documents_loads(document: str) -> None:
    shown = examples(document)
    assert shown
    for example in shown:
        build_policy(parse_config(example.encode(), environ={}, overrides=HOME).config)


def commands_shown() -> list[tuple[str, str]]:
    found = []
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")]:
        if "adr" not in path.parts:
            text = re.sub(r"<!--.*?-->", "", path.read_text("utf-8"), flags=re.DOTALL)
            found += [(path.name, line) for line in re.findall(r"(?:`|^)doorward ([^`\n]+)", text, re.MULTILINE)]
    return found


def test_every_command_shown_in_the_documents_exists_with_its_options() -> None:
    unknown = []
    for document, line in commands_shown():
        words = line.split()
        name = words[0]
        if name in {"COMMAND", "…"} or name.startswith("--"):
            continue
        if name not in COMMANDS and name not in GROUPS:
            unknown.append(f"{document}: {name}")
            continue
        root = typer.main.get_command(build(name))
        options = {"--config", "--help"}
        for choice in words[1].split("|") if name in GROUPS and len(words) > 1 and words[1] != "…" else [""]:
            command = root.commands[name]  # type: ignore[attr-defined]
            if choice:
                command = command.commands.get(choice)
                if command is None:
                    unknown.append(f"{document}: {name} {choice}")
                    continue
            options |= {spelling for option in command.params for spelling in option.opts}
        unknown += [f"{document}: {line}: {word}" for word in words if word.startswith("--") and word not in options]
    assert unknown == []


def test_the_starting_configuration_loads_and_lacks_nothing_but_rules() -> None:
    loaded = parse_config((ROOT / "deploy" / "local" / "doorward.yaml").read_bytes(), environ={})
    assert [str(notice) for notice in loaded.notices if "there are no rules" not in str(notice)] == []


def test_the_starting_configuration_still_loads_with_its_examples_taken_in() -> None:
    text = (ROOT / "deploy" / "local" / "doorward.yaml").read_text("utf-8")
    text = text[text.index("server:") :]
    text = re.sub(r"^(  public_url: http:.*|  rules: \[\]|apps: \[\])\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^( *)# (?=( *)(- )?\"?[\w*.]+\"?: ?|  )", r"\1", text, flags=re.MULTILINE)
    config = parse_config(text.encode(), environ={}).config
    assert config.server.is_https
    assert config.cookie.domain == "example.com"
    assert len(config.authz.rules) == 2
    assert [app.name for app in config.apps] == ["Wiki"]


def ask(example: str, name: str | None, url: str, *, client: str = "203.0.113.9", method: str = "GET") -> Verdict:
    from ipaddress import ip_address

    policy = build_policy(parse_config(example.encode(), environ={}, overrides=HOME).config)
    host, _, rest = url.partition("/")
    path, target, ambiguous = parse_target(b"/" + rest.encode())
    request = AccessRequest(method, "https", host, path, target, ambiguous, ip_address(client))
    return decide(request, subject(name) if name else None, policy, now=NOON)


def subject(name: str) -> Subject:
    user_id = UserId(name)
    email = f"{name}@example.com"
    user = User(
        user_id, name, name.title(), email, frozenset(), is_admin=False, enabled=True, generation=1, created_at=NOON
    )
    session = Session(
        Fingerprint(bytes(32)), SessionHandle("h"), user_id, 1, NOON, NOON, NOON.replace(day=5), None, NOON,
        frozenset({Method.PASSWORD}), remembered=False, user_agent="", address="",
    )  # fmt: skip
    return Subject(user, session)


def test_the_first_example_of_the_policy_page_does_what_its_comments_say() -> None:
    first = examples("docs/policy.md")[0]
    assert isinstance(ask(first, "dan", "wiki.example.com/"), Allow)
    assert isinstance(ask(first, "bob", "wiki.example.com/"), Deny)
    assert isinstance(ask(first, "dan", "other.example.com/"), Deny)
    assert isinstance(ask(first, "carol", "other.example.com/"), Allow)
    assert isinstance(ask(first, None, "wiki.example.com/"), Challenge)


def test_the_path_example_of_the_policy_page_opens_the_shop_and_keeps_its_back_office() -> None:
    example = next(text for text in examples("docs/policy.md") if "back office" in text)
    assert isinstance(ask(example, None, "shop.example.com/"), Allow)
    assert isinstance(ask(example, None, "shop.example.com/Admin/users.json"), Deny)
    assert isinstance(ask(example, None, "shop.example.com/x/..;/admin"), Deny)
    assert isinstance(ask(example, None, "shop.example.com/administrator"), Allow)
    assert isinstance(ask(example, None, "shop.example.com/admin", client="192.168.1.2"), Allow)
    assert isinstance(ask(example, None, "api.example.com/health", method="HEAD"), Allow)
    assert isinstance(ask(example, None, "api.example.com/health", method="POST"), Challenge)
    assert isinstance(ask(example, None, "api.example.com/health/"), Challenge)
