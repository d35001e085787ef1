"""Every sentence can be said in every language: none stands outside `_`, none lacks its translation."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import polib
import pytest
from jinja2 import Environment, nodes

from doorward.flows import factors
from doorward.flows.letters import AN_ADMINISTRATOR
from doorward.outside.letters import alerts, wording
from doorward.rules import login, oidc
from doorward.rules.key_wish import WishError
from doorward.rules.language import LANGUAGES
from doorward.rules.reason import Reason
from doorward.web.pages import app_keys, device, invites, key_rows, letters, methods, provider_form, providers
from doorward.words import FOLDER

PACKAGE = Path(__file__).parents[2] / "src/doorward"
TEMPLATES = PACKAGE / "web/pages/templates"
PAGES = sorted(path.name for path in TEMPLATES.iterdir())
# Pages of apps say what renew.js says, in their own language.
SCRIPTS = sorted(path.name for path in (PACKAGE / "web/pages/static").glob("*.js") if path.name != "renew.js")
SPEAKING = (*sorted((PACKAGE / "web/pages").glob("*.py")), PACKAGE / "web/errors.py")
"""Where Python holds sentences that pages show."""
CHECKING = tuple(
    PACKAGE / "flows" / name
    for name in ("accepting.py", "invites.py", "owed_steps.py", "profile.py", "registration.py", "setup.py")
)
"""Where it is judged what was typed into a page."""
SILENT = {
    "the provider", "The provider",  # stand for the name of one that is gone by now
    "OpenID Connect", "Google", "GitHub", "Strict",  # names
    "the logout token is not accepted",  # told to a provider's server
    "secret lines", "Empty for %(count)s.", "Nothing was done. %(count)s",  # parts; the whole is asked for below
}  # fmt: skip
"""What looks like words to show, and is not."""
SHOWN = {"title", "aria-label", "placeholder", "alt"}
NAMES = re.compile(r"Doorward|\x00|&\w+;")
"""What is the same in every language: our name, and what is filled in."""
VALUES = re.compile(r"%\((\w+)\)s")
FOR_BROWSERS = {"username webauthn"}
"""Values of attributes that look like words."""
FOR_SCRIPTS = {"button button-quiet", "button button-quiet button-small", "notice notice-good", "InvalidStateError"}
"""Class names and names of errors."""
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
        shown = SHOWN | {"value"} if ("type", "submit") in attrs and tag == "input" else SHOWN
        self.texts += [value or "" for name, value in attrs if name in shown]
        # What our scripts show stands in attributes of data.
        self.texts += [value for name, value in attrs if name.startswith("data-") and value and is_words(value)]

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
    if text in FOR_BROWSERS or text.startswith("<"):
        return False
    return bool(re.match(r"\s*[A-Z][a-z]", text) or re.search(r"[a-z,.] +[a-z(]", text.strip()))


def msgids_of(template: Path) -> set[str]:
    tree = ENVIRONMENT.parse(template.read_text("utf-8"))
    found = set()
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in {"_", "ngettext"} and call.args:
            found |= {arg.value for arg in call.args[:2] if isinstance(arg, nodes.Const) and isinstance(arg.value, str)}
    return found


def _unspoken(tree: ast.AST) -> Iterator[ast.AST]:
    """Where strings are for whoever reads the code or the log: docstrings, annotations, errors."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Constant()):
                yield node
            case ast.Raise():
                yield node
            case ast.arg(annotation=ast.AST() as annotation) | ast.AnnAssign(annotation=annotation):
                yield annotation
            case ast.FunctionDef(returns=ast.AST() as annotation):
                yield annotation


def strings_of(path: Path) -> Iterator[str]:
    """What a module says."""
    return strings_in(ast.parse(path.read_text("utf-8")))


def strings_in(tree: ast.AST) -> Iterator[str]:
    """What is said there, with one shape for all the values of a sentence that has some."""
    passed = {id(child) for node in _unspoken(tree) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in passed:
            continue
        if isinstance(node, ast.JoinedStr):
            passed |= {id(child) for child in ast.walk(node)}
            yield "".join(part.value if isinstance(part, ast.Constant) else "%(count)s" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def spoken_in_python() -> Iterator[str]:
    """What the pages' code hands over to be translated."""
    yield from (failure.sentence for kind in (login.Failure, oidc.Failure) for failure in kind)
    yield from (said for reason in Reason for said in (reason.sentence, reason.told))
    yield from ("%(count)s minute", "%(count)s second", "%(count)s hour", "%(count)s day")
    for path in SPEAKING:
        if path.name not in {"device.py", "key_set.py", "security_txt.py"}:
            yield from (text for text in strings_of(path) if is_words(VALUES.sub("", text)))
    for path in CHECKING:
        yield from (text for text in strings_of(path) if re.fullmatch(r"[A-Z].* .*\.", text))
    for group in provider_form._FORM:
        yield from (group.title, group.text)
        for field in group.fields:
            yield from (field.label, field.hint, *(words for value, words in field.choices if " " in words))
    yield from (note for _, note in providers._NOTES.values())
    for states in (
        invites._STATES,
        letters._STATES,
        methods._WORDS,
        app_keys._STATES,
        app_keys._KINDS,
        key_rows._SCOPES,
    ):
        yield from states.values()
    # Names of browsers are the same everywhere.
    yield from (name for _, name in device._BROWSERS if name[0].islower() and " " in name)
    yield from factors._FACTORS.values()
    yield factors.EVERY_FACTOR
    yield AN_ADMINISTRATOR
    # Why an account stands for nobody, in the middle of a sentence.
    yield from (text for text in strings_of(PACKAGE / "rules/single_user.py") if re.match(r"(it|nobody|there) ", text))
    yield from (text for text in strings_of(PACKAGE / "rules/ways.py") if re.fullmatch(r"[A-Z][^%]* [^%]*\.", text))


def refused_input() -> Iterator[str]:
    """What is wrong with a name or a password, as a page says it."""
    for name in ("rules/names.py", "rules/password.py"):
        tree = ast.parse((PACKAGE / name).read_text("utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        things = {call.args[1].value for call in calls if ast.unparse(call.func) == "_cap"}
        for call in calls:
            if ast.unparse(call.func) not in {"InputError", "problems.append"}:
                continue
            (words,) = strings_in(call.args[0])
            for thing in things if words.startswith("%(count)s") else {""}:
                said = words.replace("%(count)s", thing) if thing else words
                yield f"{said[:1].upper()}{said[1:]}{'' if said.endswith('.') else '.'}"


def refused_keys() -> Iterator[str]:
    """What is wrong with what somebody asks of a key."""
    for name in ("rules/key_wish.py", "flows/key_making.py", "flows/pairing.py"):
        for node in ast.walk(ast.parse((PACKAGE / name).read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "WishError":
                (words,) = strings_in(node.args[0])
                yield WishError(words, **dict.fromkeys(VALUES.findall(words), "")).sentence


def in_letters() -> set[str]:
    found = {wording.GREETING, wording.BARE_GREETING, wording.LINK_TOO, wording.FOOT}
    for each in (*wording.WORDINGS.values(), *alerts.ALERTS.values(), alerts.HELD, alerts.TEST):
        found |= {each.subject, *each.lines, *each.notes, each.action}
    return {text for text in found if VALUES.sub("", text).strip()}


def needed() -> set[str]:
    on_pages = set().union(*(msgids_of(TEMPLATES / name) for name in PAGES))
    return (
        (on_pages | set(spoken_in_python()) | set(refused_input()) | set(refused_keys()) | in_letters()) - SILENT - {""}
    )


def anywhere() -> set[str]:
    """Everything that may hold a sentence: templates as they are, and Python's strings put together."""
    found = set().union(*(msgids_of(TEMPLATES / name) for name in PAGES))
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found | needed()


@pytest.fixture(scope="module", params=LANGUAGES[1:])
def catalogue(request):
    return polib.pofile(str(FOLDER / f"{request.param}.po"))


@pytest.mark.parametrize("name", PAGES)
def test_no_text_of_a_page_stands_outside_the_translation(name):
    page = Reading(without_expressions((TEMPLATES / name).read_text("utf-8")))
    bare = [text.strip() for text in page.texts if re.search(r"[A-Za-z]", NAMES.sub("", text))]
    assert bare == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_brings_words_of_its_own(name):
    code = re.sub(
        r"^\s*(?://|/?\*).*$", "", (TEMPLATES.parent / "static" / name).read_text("utf-8"), flags=re.MULTILINE
    )
    literals = re.findall(r"\"([^\"\n]*)\"|'([^'\n]*)'|`([^`\n]*)`", code)
    assert [text for group in literals for text in group if is_words(text) and text not in FOR_SCRIPTS] == []


@pytest.mark.parametrize("name", PAGES)
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


def test_every_sentence_on_pages_and_in_mails_is_translated(catalogue):
    have = {text for entry in catalogue if entry.translated() for text in (entry.msgid, entry.msgid_plural)}
    assert sorted(needed() - have) == []


def test_a_translation_fills_in_the_same_as_the_sentence(catalogue):
    for entry in catalogue:
        said = [(entry.msgid, entry.msgstr)]
        if entry.msgid_plural:
            said = [(entry.msgid, entry.msgstr_plural[0]), (entry.msgid_plural, entry.msgstr_plural[1])]
        for sentence, text in said:
            assert sorted(VALUES.findall(text)) == sorted(VALUES.findall(sentence)), sentence
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
