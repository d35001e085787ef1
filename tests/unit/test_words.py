"""Languages: which one is spoken, and that a translated sentence is text like any other."""

from pathlib import Path

import pytest

from doorward.rules.language import LANGUAGES, NAMES, choose
from doorward.web.pages.templates import Templates, say
from doorward.words import FOLDER, translate, translate_count


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.7,en;q=0.3", "de"),
        ("fr, *;q=0.1", "en"),
        ("en;q=0.2 , de;q=0.9", "de"),
        ("en, de", "en"),
        ("de;q=0", "en"),
        ("de;q=0.0,en;q=0", "en"),
        ("de;q=0.1,de;q=0.9,en;q=0.5", "de"),
        ("de;q=2,en", "en"),
        ("de;q=nan", "en"),
        ("de\r\nx: y", "en"),
        ("../../de", "en"),
        ("\u0100,,;;=", "en"),
        ("fr" * 300 + ",de", "en"),
        ("xx," * 171 + "de", "en"),
    ],
)
def test_the_browser_is_answered_in_the_language_it_likes_best(header: str, language: str) -> None:
    assert choose(header) == language


@pytest.mark.parametrize("own", LANGUAGES)
def test_what_somebody_chose_goes_before_what_their_browser_says(own: str) -> None:
    assert choose("de;q=1,en;q=0.1", own=own) == own


def test_a_choice_that_is_none_of_ours_leaves_it_to_the_browser() -> None:
    assert choose("de", own="../de") == choose("de", own="") == "de"


def test_every_language_has_a_name_and_all_but_the_first_a_catalogue() -> None:
    assert set(NAMES) == set(LANGUAGES)
    assert {path.stem for path in FOLDER.glob("*.po")} == set(LANGUAGES[1:])


def test_a_sentence_is_said_in_the_language_that_has_it() -> None:
    assert translate_count("de", "%(count)s minute", "%(count)s minutes", 1) == "%(count)s Minute"
    assert translate_count("de", "%(count)s minute", "%(count)s minutes", 2) == "%(count)s Minuten"
    assert translate_count("de", "an oar", "oars", 1) == "an oar"
    assert translate_count("en", "an oar", "oars", 0) == "oars"
    assert translate("de", "no sentence of ours") == "no sentence of ours"


@pytest.mark.parametrize("language", ["fr", "../de", "de.po", "/etc/passwd", ""])
def test_a_language_nobody_speaks_is_english(language: str) -> None:
    assert translate(language, "Sign in") == "Sign in"


def test_a_sentence_is_escaped_and_so_is_what_is_filled_in() -> None:
    """K11, K12."""
    assert say("en", "<img onerror=x> 100 %") == "&lt;img onerror=x&gt; 100 %"
    assert say("de", "{{7*7}}%(x)s") == "{{7*7}}%(x)s"
    assert say("en", "Hello %(name)s", name="<b>%(name)s") == "Hello &lt;b&gt;%(name)s"


def test_a_template_knows_the_language_it_speaks() -> None:
    template = Templates()
    said = template._environment.from_string("{{ language }}: {{ _('a < b') }}, {{ spell(125) }}")
    template._environment.get_template = lambda name: said  # type: ignore[assignment, method-assign, misc]
    assert template.render("any", {}, "de") == "de: a &lt; b, 2 Minuten 5 Sekunden"
    assert template.render("any", {"_": None}) == "en: a &lt; b, 2 minutes 5 seconds"


def test_catalogues_are_text_that_editors_can_read() -> None:
    for path in Path(FOLDER).glob("*.po"):
        assert "\r" not in path.read_text("utf-8")


def test_a_sentence_with_its_number_in_it_is_found_for_every_number() -> None:
    assert translate("de", "It needs at least 12 characters.") == "Es braucht mindestens 12 Zeichen."
    assert translate("de", "A name has 1 to 128 characters.") == "Ein Name hat 1 bis 128 Zeichen."
    assert translate("de", "room 101") == "room 101"
