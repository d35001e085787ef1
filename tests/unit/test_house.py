"""The house rules: what the project asks of its own files, held by tests."""

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from doorward.rules.reason import Reason

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "doorward"

NOT_OURS = frozenset(
    {".git", ".venv", ".demo", ".tools", ".hypothesis", ".playwright", "data", "__pycache__", "node_modules"}
)

RULES_MAY_IMPORT = frozenset(
    {
        "__future__",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "cryptography",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "re",
        "stat",
        "struct",
        "typing",
        "unicodedata",
        "urllib",
        "zlib",
    }
)
"""Nothing here can reach the clock, chance, the disk, the network or a log.

`binascii` has the exception of `base64`; `stat` only reads the bits of a mode.
"""

MOST_LINES = 700
LINES_WITHOUT_REASON = 400
LONG_FILES: dict[str, str] = {
    "tests/attacks/test_routes.py": "one table with a line for each route",
    "tests/attacks/stage.py": "the one stage on which every attack is played",
    "tests/attacks/test_assertions.py": "one verifier, and every way of forging what it takes",
    "tests/attacks/test_sign_in.py": "one door, and every way of forcing it",
    "tests/attacks/test_forwarded.py": "whom to believe is one question with many spellings",
    "tests/unit/test_factors.py": "one flow, and what may happen between its two steps",
    "src/doorward/flows/factors.py": "what is set up is taken away again: one flow for each factor, side by side",
    "src/doorward/storage/sql/tables.py": "the schema is one list",
    "src/doorward/rules/policy.py": "strict and loose reading of a pattern must be seen side by side",
    "tests/fakes/flows.py": "every flow of the town, connected once",
    "tests/cli/test_backups.py": "what a restore brings back and what not, from every side",
    "tests/unit/test_gate.py": "the check, from every side",
    "tests/unit/test_house.py": "the house rules are one list; splitting it would hide that",
    "tests/unit/test_sign_in.py": "the sign-in, from every side",
}

EMPTY_WORDS = frozenset(
    {"Manager", "Service", "Handler", "Helper", "Helpers", "Util", "Utils", "Base", "Impl", "Data", "Info"}
)
EMPTY_ROOMS = frozenset(
    {"core", "ports", "adapters", "services", "managers", "utils", "util", "common", "helpers", "helper"}
)

KINDS_OF_CHANGE = frozenset({"added", "changed", "deprecated", "removed", "fixed", "security"})


@cache
def all_files() -> list[Path]:
    """Our files; what tools leave behind and what git ignores does not count."""
    found = []
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info"))]
        found += [Path(folder, name) for name in files if not name.startswith(".coverage")]
    return sorted(path for path in found if path != ROOT / "doorward.yaml")


def tracked(*patterns: str) -> Iterator[Path]:
    """Our files that match, below the folder that a pattern begins with."""
    for pattern in patterns:
        folder, _, last = pattern.rpartition("/")
        below = (ROOT / folder.removesuffix("**").rstrip("/")) if folder else ROOT
        yield from (path for path in all_files() if path.is_relative_to(below) and fnmatch(path.name, last))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=named(path))


@cache
def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# The rooms


def test_rules_import_nothing_that_could_reach_the_world() -> None:
    foreign = [
        f"{named(path)}: {name}"
        for path in sorted((PACKAGE / "rules").glob("**/*.py"))
        for name in imports_of(path)
        if name.partition(".")[0] not in RULES_MAY_IMPORT
        and not name.startswith(("doorward.rules.", "doorward.errors."))
    ]
    assert foreign == []


def test_rules_await_nothing_and_open_nothing() -> None:
    found = [
        f"{named(path)}:{node.lineno}"
        for path in sorted((PACKAGE / "rules").glob("**/*.py"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncWith | ast.AsyncFor)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"open", "print", "input"}
        )
    ]
    assert found == []


def test_every_room_has_a_sign_that_says_what_it_owns_and_what_it_must_not_do() -> None:
    unsigned = []
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")}):
        sign = ast.get_docstring(tree_of(folder / "__init__.py")) if (folder / "__init__.py").exists() else None
        says_enough = (
            sign is not None and len(sign) >= 80 and re.search(r"(?i)\b(not|never|no|nothing|only|nobody)\b", sign)
        )
        if not says_enough and not _is_migrations(folder):
            unsigned.append(named(folder))
    assert unsigned == []


def _is_migrations(folder: Path) -> bool:
    return "migrations" in folder.parts  # scripts that Alembic finds by folder, not a package


def test_every_room_has_a_name_that_says_something() -> None:
    empty = [named(path) for path in PACKAGE.rglob("*") if path.stem in EMPTY_ROOMS and path.suffix in {"", ".py"}]
    assert empty == []


def test_no_file_is_too_long_to_hold_in_the_head() -> None:
    too_long = {}
    for path in tracked("*.py", "*.js", "*.css", "*.lua"):
        lines = text_of(path).count("\n")
        if lines > MOST_LINES or (lines > LINES_WITHOUT_REASON and named(path) not in LONG_FILES):
            too_long[named(path)] = lines
    assert too_long == {}


def test_every_reason_for_a_long_file_is_still_needed() -> None:
    stale = [
        name
        for name in LONG_FILES
        if not (ROOT / name).exists() or text_of(ROOT / name).count("\n") <= LINES_WITHOUT_REASON
    ]
    assert stale == []


def test_no_class_has_a_name_that_says_nothing() -> None:
    empty = [
        f"{named(path)}:{node.lineno} {node.name}"
        for path in tracked("*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
        and EMPTY_WORDS.intersection(re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", node.name))
    ]
    assert empty == []


def test_nobody_uses_mocks_or_abstract_base_classes() -> None:
    found = [
        f"{named(path)}: {name}"
        for path in tracked("*.py")
        for name in imports_of(path)
        if re.match(r"(unittest\.mock|mock|pytest_mock|abc)(\.|$)", name)
    ]
    assert found == []


def test_every_line_marked_security_is_held_by_a_test() -> None:
    """The comment names the test, or the numbered attack whose test says that number."""
    tests = "\n".join(text_of(path) for path in tracked("tests/**/*.py"))
    unproven = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for mark in re.finditer(r"SECURITY:(?:.*\n){1,8}", text_of(path)):
            files = re.findall(r"tests/[\w/]+\.py", mark[0])
            names = re.findall(r"\btest_\w+", re.sub(r"tests/[\w/.]+", "", mark[0]))
            attacks = re.findall(r"\b[A-R][0-9]{2}\b", mark[0])
            held = any((ROOT / file).exists() for file in files) or any(f"def {name}(" in tests for name in names)
            if not held and not any(attack in tests for attack in attacks):
                unproven.append(f"{named(path)}:{text_of(path).count(chr(10), 0, mark.start()) + 1}")
    assert unproven == []


def test_every_test_file_that_code_or_a_document_names_exists() -> None:
    """A file that was renamed leaves its old name behind where somebody would look for the proof."""
    gone = [
        f"{named(path)}: {file}"
        for path in tracked("src/**/*.py", "docs/**/*.md", "*.toml")
        for file in re.findall(r"tests/\w+/\w+\.py", text_of(path))
        if not (ROOT / file).exists()
    ]
    assert gone == []


def test_every_library_the_package_imports_is_one_it_asks_for() -> None:
    """What only comes along with something else may go away with it."""
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    asked_for = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    asked_for |= {"pydantic-core", "markupsafe"}  # which pydantic and Jinja2 document as theirs and pin themselves
    found = packages_distributions()
    unasked = {
        (top, *sorted(set(found.get(top, ["nobody"]))))
        for path in PACKAGE.rglob("*.py")
        for name in imports_of(path)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names and top != "doorward"
        if not any(canonicalize_name(distribution) in asked_for for distribution in found.get(top, []))
    }
    assert unasked == set()


# The tests


def test_every_test_is_named_by_a_sentence() -> None:
    terse = [
        f"{named(path)}:{node.lineno} {node.name}"
        for path in tracked("test_*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and node.name.count("_") < 3
    ]
    assert terse == []


def test_no_two_tests_of_a_file_share_a_name() -> None:
    shadowed = []
    for path in tracked("test_*.py"):
        scopes = [tree_of(path), *(node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef))]
        for scope in scopes:
            names = [node.name for node in scope.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
            shadowed += [
                f"{named(path)}: {name}" for name in set(names) if name.startswith("test_") and names.count(name) > 1
            ]
    assert shadowed == []


@pytest.mark.parametrize("suite", ["unit", "property", "contract"])
def test_a_suite_without_servers_never_sleeps(suite: str) -> None:
    sleeping = []
    for path in tracked(f"tests/{suite}/**/*.py"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sleep"):
                yields_only = ast.unparse(node.func) == "asyncio.sleep" and ast.unparse(node.args[0]) == "0"
                if not yields_only:
                    sleeping.append(f"{named(path)}:{node.lineno}")
    assert sleeping == []


# The documents


def documents() -> list[Path]:
    return [
        *ROOT.glob("*.md"),
        *(path for folder in ("docs", "changes", "deploy") for path in tracked(f"{folder}/**/*.md")),
    ]


def test_every_command_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+)(?= |:)[^=\n]*:(?!=)", text_of(ROOT / "Makefile"), re.MULTILINE))
    unknown = [
        f"{named(path)}: make {name}"
        for path in documents()
        for name in re.findall(r"(?:`|^\$? ?|&& )make ([a-z-]+)", text_of(path), re.MULTILINE)
        if name not in targets
    ]
    assert unknown == []


def test_every_command_of_the_makefile_is_listed_with_its_purpose() -> None:
    makefile = text_of(ROOT / "Makefile")
    listed = set(re.findall(r"^([a-z-]+):.*  ## .+", makefile, re.MULTILINE))
    promised = {"demo", "run", "test", "check", "contract", "integration", "browser", "attacks", "cli"}
    assert promised | {"bench", "bench-quick", "fuzz", "docs", "lock", "clean"} <= listed


def test_every_link_in_the_documents_leads_somewhere() -> None:
    dead = []
    for path in documents():
        prose = re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL)
        for target in re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            goal = (path.parent / file).resolve() if file else path
            if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in anchors_of(goal)):
                dead.append(f"{named(path)}: {target}")
    assert dead == []


def anchors_of(path: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_the_documents_name_exists() -> None:
    rooms = "tests|src|docs|deploy|bench|tools|changes|rules|flows|web|config|storage|outside|cli"
    missing = [
        f"{named(path)}: {name}"
        for path in documents()
        for name in re.findall(rf"`((?:{rooms})/[\w./-]+\.(?:py|md|yaml|yml|lua|sh|txt|html|css|js))`", text_of(path))
        if not (ROOT / name).exists() and not (PACKAGE / name).exists()
    ]
    assert missing == []


def test_every_test_the_documents_name_exists() -> None:
    tests = "\n".join(text_of(path) for path in tracked("test_*.py"))
    missing = [
        f"{named(path)}: {name}"
        for path in documents()
        for name in re.findall(r"`(test_\w+)`", text_of(path))
        if f"def {name}(" not in tests
    ]
    assert missing == []


def test_every_numbered_attack_is_sent_by_a_test() -> None:
    listed = re.findall(r"^\| ([A-R][0-9]{2}) \|", text_of(ROOT / "docs" / "attacks.md"), re.MULTILINE)
    tests = "\n".join(text_of(path) for path in tracked("tests/**/test_*.py"))
    assert listed
    assert [number for number in listed if not re.search(rf"\b{number}\b", tests)] == []


def test_every_attack_that_is_mentioned_is_listed() -> None:
    listed = set(re.findall(r"^\| ([A-R][0-9]{2}) \|", text_of(ROOT / "docs" / "attacks.md"), re.MULTILINE))
    unknown = {}
    for path in tracked("src/**/*.py", "tests/**/*.py", "docs/**/*.md"):
        mentioned = {
            number
            for words in re.findall(r"\(([A-R][0-9]{2}(?:(?:, | and )[A-R][0-9]{2})*)\)", text_of(path))
            for number in re.findall(r"[A-R][0-9]{2}", words)
        }
        if mentioned - listed:
            unknown[named(path)] = sorted(mentioned - listed)
    assert unknown == {}


def test_decision_records_are_numbered_without_gaps_and_say_what_was_rejected() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    wanted = ["## Context", "## Considered options", "## Decision", "## Consequences"]
    lacking = {named(record): [title for title in wanted if title not in text_of(record)] for record in records}
    assert {name: titles for name, titles in lacking.items() if titles} == {}


def test_the_list_of_decisions_names_every_record() -> None:
    folder = ROOT / "docs" / "adr"
    listed = set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", text_of(folder / "README.md")))
    assert listed == {record.name for record in folder.glob("[0-9]*.md")}


def test_every_reason_has_a_sentence_and_is_explained_in_the_reference() -> None:
    reference = text_of(ROOT / "docs" / "reference" / "reasons.md")
    assert [reason for reason in Reason if not re.fullmatch(r"[A-Z].*[.]", reason.sentence)] == []
    assert [reason for reason in Reason if f"`{reason.value}`" not in reference] == []


def test_every_change_note_can_be_put_into_the_changelog() -> None:
    wrong = []
    for path in (ROOT / "changes").iterdir():
        if path.name == "README.md":
            continue
        name = re.fullmatch(r"[a-z0-9-]+\.([a-z]+)\.md", path.name)
        text = text_of(path).strip()
        if (
            not name
            or name[1] not in KINDS_OF_CHANGE
            or "\n\n" in text
            or not re.fullmatch(r"[A-Z`].{10,600}\.", text, re.DOTALL)
        ):
            wrong.append(path.name)
    assert wrong == []


# The whole


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """Paths of one machine and addresses of package registries have no place in the project."""
    slash = "/"
    traces = [
        rf"(?<![\w.]){slash}work{slash}",
        rf"{slash}tmp{slash}w{slash}",
        rf"{slash}opt{slash}wheels",
        rf"(?<![\w.]){slash}home{slash}(?!doorward\b)[a-z]+{slash}",
        r"files\.python" + "hosted",
        r"(?:pypi|test\.pypi)" + r"\.org/simple",
        r"registry\.npm" + "js",
    ]
    found = []
    for path in tracked("*"):
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{named(path)}: {trace}" for trace in traces if re.search(trace, text)]
    assert found == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-run.lock"])
def test_a_lock_names_exact_versions_with_hashes_and_no_place_to_get_them(lock: str) -> None:
    entries = _entries(lock)
    assert entries
    assert [entry for entry in entries.values() if "--hash=sha256:" not in entry] == []
    assert not re.search(r"https?://|--(?:index|extra|find|trusted)|@ ?file:", text_of(ROOT / lock))


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", {"dev", "demo"}), ("requirements-run.lock", {"demo"})]
)
def test_a_lock_satisfies_what_the_project_asks_for(lock: str, extras: set[str]) -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in extras:
        wanted += project["project"]["optional-dependencies"][extra]
    versions = {name: entry.split("==")[1].split()[0] for name, entry in _entries(lock).items()}
    unmet = []
    for text in wanted:
        requirement = Requirement(text)
        version = versions.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            unmet.append(text)
    assert unmet == []


def _entries(lock: str) -> dict[str, str]:
    found = re.findall(r"^([\w.\[\]-]+)(==.*(?:\n .*)*)", text_of(ROOT / lock), re.MULTILINE)
    return {canonicalize_name(name.partition("[")[0]): entry for name, entry in found}


def test_importing_the_package_runs_nothing() -> None:
    """A module's top level defines; it does not open, read, start or ask."""
    assert sys.modules["doorward"].__doc__
    running = [
        f"{named(path)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not _is_migrations(path.parent) and path.name != "__main__.py"
        for node in tree_of(path).body
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
        if not re.match(r"\w+\.(command|callback|add_typer|register)\(|Index\(", ast.unparse(node.value))
    ]
    assert running == []
