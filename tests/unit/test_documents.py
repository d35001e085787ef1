"""The documents tell the truth: their examples load, and what is generated in them is not stale."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest
import typer.main
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from doorward.cli import COMMANDS, GROUPS, build
from doorward.config.load import parse_config
from doorward.config.policy import build_policy
from doorward.config.providers import build_providers
from doorward.rules.access import Allow, Challenge, Deny, Verdict, decide
from doorward.rules.identity import User, UserId
from doorward.rules.provider import Provider, check_provider, check_together
from doorward.rules.request import AccessRequest, parse_target
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle, Subject
from doorward.web.pages.provider_icons import NAMES as PROVIDER_ICONS

ROOT = Path(__file__).parents[2]
HOME = {"server.public_url": "https://auth.example.com", "cookie.domain": "example.com"}
PROFILES = "docs/guides/profiles.md"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def examples(document: str) -> list[str]:
    shown = re.findall(r"^( *)```yaml\n(.*?)^\1```", (ROOT / document).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [dedent(text) for _, text in shown]


SAFEKEEPING = [f"docs/guides/{name}.md" for name in ("alerts", "app-keys", "audit", "backups", "keys")]
ADDRESSES = {"ntfy": b"ntfys://ntfy.example.com/topic", "matrix": b"matrixs://user:password@matrix.example.com/#room"}


@pytest.mark.parametrize("document", ["README.md", "docs/policy.md", "docs/operations.md", PROFILES, *SAFEKEEPING])
def test_every_configuration_shown_in_the_documents_loads(document: str, secrets: Path) -> None:
    shown = examples(document)
    assert shown
    for example in shown:
        build_policy(parse_config(settle(example, secrets), environ={}, overrides=HOME).config)


GUIDES = sorted((ROOT / "docs" / "guides" / "providers").glob("*.md"))
SHOWN = [guide for guide in GUIDES if guide.name != "troubleshooting.md"]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that stands for /etc/doorward, with every file that an example names."""
    tmp_path.chmod(0o700)
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(r"/etc/doorward/([\w-]+\.secret)\b", document.read_text("utf-8")):
            write(tmp_path / name, ADDRESSES.get(name.removesuffix(".secret"), b"a secret that is long enough") + b"\n")
    key = ec.generate_private_key(ec.SECP256R1())
    write(
        tmp_path / "work.key",
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return tmp_path


def write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def settle(example: str, secrets: Path) -> bytes:
    return example.replace("/etc/doorward/", f"{secrets}/").encode()


def configured(guide: Path, secrets: Path) -> Iterator[tuple[Provider, ...]]:
    for example in examples(str(guide.relative_to(ROOT))):
        loaded = parse_config(settle(example, secrets), environ={}, overrides=HOME)
        notices = [str(notice) for notice in loaded.notices]
        assert [notice for notice in notices if notice.startswith(("authn", "mfa", "outbound"))] == []
        build_policy(loaded.config)
        yield build_providers(loaded.config)


@pytest.mark.parametrize("guide", SHOWN, ids=lambda guide: guide.stem)
def test_every_provider_shown_in_the_guides_can_be_used_as_it_stands_there(guide: Path, secrets: Path) -> None:
    shown = [provider for providers in configured(guide, secrets) for provider in providers]
    assert shown
    assert {provider.id: problems for provider in shown if (problems := check_provider(provider))} == {}
    assert {provider.icon for provider in shown} - {""} <= set(PROVIDER_ICONS)
    assert [check_together(providers) for providers in configured(guide, secrets) if check_together(providers)] == []


@pytest.mark.parametrize("guide", SHOWN, ids=lambda guide: guide.stem)
def test_every_guide_names_the_redirect_uri_of_the_provider_that_it_configures(guide: Path, secrets: Path) -> None:
    text = guide.read_text("utf-8")
    for provider in [provider for providers in configured(guide, secrets) for provider in providers]:
        if provider.redirect_path:
            assert f"redirect_url: {HOME['server.public_url']}{provider.callback}" in text
        else:
            assert re.search(rf"{re.escape(HOME['server.public_url'])}/login/callback/{provider.id}(?![\w/-])", text)
            assert f"`doorward provider test {provider.id}`" in text


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_addresses_to_register_in_the_guides_are_addresses_that_answer(guide: Path) -> None:
    """What is typed at a provider by hand is never tried by a test of ours; a slip in it would be found by a visitor."""
    ours = re.compile(
        r"https://auth\.example\.com(/login/callback/[a-z-]+|/logout/(?:back|front)channel/(?:[a-z-]+|ID)|/signed-out"
        r"|/api/auth/login|/api/auth/oidc/callback|/login\?choose=1|/)?"
    )
    named = re.findall(r"https://auth\.example\.com[^`\s]*", guide.read_text("utf-8"))
    assert [address for address in named if not ours.fullmatch(address)] == []


def test_the_list_of_guides_names_every_provider_page() -> None:
    text = (ROOT / "docs" / "guides" / "providers" / "README.md").read_text("utf-8")
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", text))
    assert linked == {guide.name for guide in GUIDES} - {"README.md"}


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
                for word in words[2:]:  # such as `keys rotate master`
                    command = getattr(command, "commands", {}).get(word, command)
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
