"""Every sentence at the door can be said in every language: none stands outside `_`, none lacks its translation."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import polib
import pytest
from jinja2 import Environment, nodes

from doorward.outside.letters import wording
from doorward.rules import login, oidc
from doorward.rules.language import LANGUAGES
from doorward.rules.reason import Reason
from doorward.words import FOLDER

PACKAGE = Path(__file__).parents[2] / "src/doorward"
TEMPLATES = PACKAGE / "web/pages/templates"
AT_THE_DOOR = (
    "login.html", "setup.html", "logout.html", "departing.html", "onward.html", "message.html", "loop.html",
    "denied.html", "doorway.html", "base.html", "_parts.html",
)  # fmt: skip
SPEAKING = (
    "web/errors.py", "web/pages/desk.py", "web/pages/login.py", "web/pages/loop.py", "web/pages/round_trip.py",
    "web/pages/setup.py", "web/pages/logout.py", "web/pages/errors.py", "web/pages/denial.py",
)  # fmt: skip
"""Where Python holds sentences that pages at the door show."""
SHOWN = {"title", "aria-label", "placeholder", "alt"}
NAMES = re.compile(r"Doorward|\x00|&\w+;")
"""What is the same in every language: our name, and what is filled in."""
VALUES = re.compile(r"%\((\w+)\)s")
FOR_BROWSERS = {"username webauthn"}
"""Values of attributes that look like words."""
MARKUP = re.compile(r"{% (?:block wide|set told) %}.*?{% end(?:block|set) %}", re.DOTALL)
"""Class names and attributes that are put together apart from their element."""
ENVIRONMENT = Environment(autoescape=True)


class Reading(HTMLParser):
    """The text of a page and of the attributes that people read or hear."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.texts += [value or "" for name, value in attrs if name in SHOWN]

    def handle_data(self, data):
        self.texts.append(data)


def without_expressions(source: str) -> str:
    """The template's own text: a NUL for everything that is printed, nothing for what only decides."""
    found, printing = "", False
    for _, kind, value in ENVIRONMENT.lex(MARKUP.sub("", source)):
        if kind == "variable_begin":
            printing = True
        elif kind == "variable_end":
            found, printing = found + "\0", False
        elif kind == "data" and not printing:
            found += value
    return found


def is_words(text: str) -> bool:
    """Whether somebody reads this: it has a capital letter at its head, or a space between words."""
    if text in FOR_BROWSERS:
        return False
    return bool(re.match(r"\s*[A-Z][a-z]", text) or re.search(r"[a-z,.] +[a-z(]", text.strip()))


def msgids_of(template: Path) -> set[str]:
    tree = ENVIRONMENT.parse(template.read_text("utf-8"))
    found = set()
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in {"_", "ngettext"} and call.args:
            found |= {arg.value for arg in call.args[:2] if isinstance(arg, nodes.Const) and isinstance(arg.value, str)}
    return found


def spoken_in_python() -> Iterator[str]:
    """What the pages' code hands over to be translated."""
    yield from (failure.sentence for kind in (login.Failure, oidc.Failure) for failure in kind)
    yield from (reason.sentence for reason in Reason)
    yield from ("%(count)s minute", "%(count)s second", "%(count)s hour", "%(count)s day")
    for name in SPEAKING:
        tree = ast.parse((PACKAGE / name).read_text("utf-8"))
        parts = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value]
        parts += [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Words", "Cause", "_Case", "Link"}
        ]
        parts += [
            keyword.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for keyword in node.keywords
            if keyword.arg in {"title", "problem", "note", "advice"}
        ]
        for part in parts:
            yield from (
                node.value
                for node in ast.walk(part)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_words(node.value)
            )


def refused_input() -> Iterator[str]:
    """What is wrong with a name or a password, as the setup page says it."""
    for name in ("rules/names.py", "rules/password.py"):
        for node in ast.walk(ast.parse((PACKAGE / name).read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            said = node.args[0].value
            if ast.unparse(node.func) == "InputError":
                yield f"{said[:1].upper()}{said[1:]}."
            elif ast.unparse(node.func) == "problems.append":
                yield said


def in_letters() -> set[str]:
    found = {wording.GREETING, wording.BARE_GREETING, wording.LINK_TOO, wording.FOOT}
    for each in wording.WORDINGS.values():
        found |= {each.subject, *each.lines, *each.notes, each.action}
    return {text for text in found if VALUES.sub("", text).strip()}


def needed() -> set[str]:
    at_the_door = set().union(*(msgids_of(TEMPLATES / name) for name in AT_THE_DOOR))
    return (
        at_the_door
        | set(spoken_in_python())
        | set(refused_input())
        | in_letters()
        | {"It needs at least %(count)s characters."}
    )


def anywhere() -> set[str]:
    """Everything that may hold a sentence: templates as they are, and Python's strings put together."""
    found = set().union(*(msgids_of(path) for path in TEMPLATES.iterdir()))
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found | needed()


@pytest.fixture(scope="module", params=LANGUAGES[1:])
def catalogue(request):
    return polib.pofile(str(FOLDER / f"{request.param}.po"))


@pytest.mark.parametrize("name", AT_THE_DOOR)
def test_no_text_of_a_page_at_the_door_stands_outside_the_translation(name):
    page = Reading(without_expressions((TEMPLATES / name).read_text("utf-8")))
    bare = [text.strip() for text in page.texts if re.search(r"[A-Za-z]", NAMES.sub("", text))]
    assert bare == []


@pytest.mark.parametrize("name", AT_THE_DOOR)
def test_no_words_in_an_expression_stand_outside_the_translation(name):
    tree = ENVIRONMENT.parse((TEMPLATES / name).read_text("utf-8"))
    translated = set()
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in {"_", "ngettext"}:
            translated |= {id(node) for node in call.find_all(nodes.Const)}
    bare = [
        node.value
        for node in tree.find_all(nodes.Const)
        if isinstance(node.value, str) and id(node) not in translated and is_words(node.value)
    ]
    assert bare == []


def test_every_sentence_at_the_door_and_in_mails_is_translated(catalogue):
    have = {entry.msgid for entry in catalogue if entry.translated()}
    assert sorted(needed() - have) == []


def test_a_translation_fills_in_the_same_as_the_sentence(catalogue):
    for entry in catalogue:
        said = [entry.msgstr] if not entry.msgid_plural else list(entry.msgstr_plural.values())
        for text in said:
            assert sorted(VALUES.findall(text)) == sorted(VALUES.findall(entry.msgid)), entry.msgid
            assert "<" not in text
            # A lone percent sign would end the page where values are filled in.
            assert "%" not in VALUES.sub("", text)


def test_no_translation_is_of_a_sentence_that_nobody_says_any_more(catalogue):
    known = anywhere()
    assert [entry.msgid for entry in catalogue if entry.msgid not in known] == []
    assert [entry.msgid for entry in catalogue if entry.obsolete or entry.fuzzy] == []


def test_no_sentence_is_translated_twice(catalogue):
    msgids = [entry.msgid for entry in catalogue]
    assert len(msgids) == len(set(msgids))
