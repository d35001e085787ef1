"""Mails say what they are about, in two languages, and print literally what people wrote."""

import re
from html.parser import HTMLParser

import pytest

from doorward.outside.letters.renderer import LetterWriter
from doorward.outside.letters.wording import WORDINGS
from doorward.rules.alert import AlertKind
from doorward.rules.language import LANGUAGES
from doorward.rules.letter import LetterKind

SITE = "https://auth.example.test"
EVIL = "<img src=x onerror=alert(1)>{{7*7}}%(x)s${7*7}{0.__class__}\r\nBcc: all@example.test\n\nDear friend"
EVERYTHING = dict.fromkeys(
    ("name", "inviter", "note", "who", "device", "address", "at", "factor", "left", "until", "by"), EVIL
)
WRITER = LetterWriter(SITE + "/")


class Reading(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", LetterKind)
def test_every_letter_is_written_in_every_language(kind, language):
    """B-40."""
    written = WRITER.render(kind, language, {"name": "Alice", "url": f"{SITE}/reset?token=abc"})
    page = Reading(written.html)
    assert page.tags[0] == ("html", {"lang": language})
    assert written.subject in page.text
    assert "auth.example.test" in written.text
    assert "Alice" in written.text
    assert "Alice" in page.text
    assert "%(" not in written.text + written.html + written.subject
    if WORDINGS[kind].action:
        assert f"{SITE}/reset?token=abc" in written.text
        assert [link["href"] for tag, link in page.tags if tag == "a"] == [f"{SITE}/reset?token=abc"]


@pytest.mark.parametrize("kind", LetterKind)
def test_german_letters_are_not_english(kind):
    english, german = (WRITER.render(kind, language, {"url": f"{SITE}/x"}) for language in LANGUAGES)
    assert english.subject != german.subject
    assert not set(english.text.splitlines()) & set(german.text.splitlines()) - {"", "-- ", f"{SITE}/x"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", LetterKind)
def test_what_people_wrote_is_printed_literally(kind, language):
    """K12: no markup, no template, no format string, and no line of its own."""
    written = WRITER.render(kind, language, {**EVERYTHING, "url": f"{SITE}/x"})
    assert {tag for tag, _ in Reading(written.html).tags} <= {
        "html", "head", "meta", "title", "body", "div", "h1", "p", "a", "br", "span",
    }  # fmt: skip
    assert "<img" not in written.html
    assert "{{7*7}}%(x)s${7*7}{0.__class__} Bcc: all@example.test Dear friend" in written.text
    assert not re.search(r"^(Bcc|Dear)", written.text, re.MULTILINE)
    assert "\r" not in written.subject + written.text
    assert "\n" not in written.subject


@pytest.mark.parametrize("kind", LetterKind)
def test_nothing_in_a_mail_is_fetched_from_anywhere(kind):
    for tag, attributes in Reading(WRITER.render(kind, "en", {**EVERYTHING, "url": f"{SITE}/x"}).html).tags:
        assert tag not in {"img", "link", "script", "iframe", "object", "form", "base"}
        assert not {"src", "background", "srcset"} & set(attributes)
        assert "url(" not in (attributes.get("style") or "")


@pytest.mark.parametrize(
    "url", ["", "https://evil.test/x", f"{SITE}.evil.test/", f"{SITE}@evil.test/", "javascript:alert(1)", "/reset"]
)
def test_a_link_leads_to_us_or_the_letter_is_not_written(url):
    """A12."""
    with pytest.raises(ValueError, match="does not lead to us"):
        WRITER.render(LetterKind.RESET, "en", {"url": url})


@pytest.mark.parametrize(
    ("kind", "path"),
    [(LetterKind.REGISTRATION_APPROVED, "/login"), (LetterKind.REGISTRATION_WAITS, "/admin/users")],
)
def test_a_letter_that_opens_nothing_knows_its_own_link(kind, path):
    assert f"{SITE}{path}\n" in WRITER.render(kind, "en", {"name": "Alice"}).text


def test_a_sentence_whose_values_are_not_known_is_left_out():
    short = WRITER.render(LetterKind.NEW_DEVICE, "en", {"at": " "}).text
    assert short.startswith("Hello,\n")
    assert "Browser:" not in short
    assert "When:" not in short
    assert (
        "Browser: Firefox on Linux\n" in WRITER.render(LetterKind.NEW_DEVICE, "en", {"device": "Firefox on Linux"}).text
    )


@pytest.mark.parametrize(
    "agent", ["[Sign in](https://evil.example)", "<https://evil.example|here>", "www.evil.example", "@everyone **now**"]
)
def test_what_a_browser_says_it_is_becomes_no_link_and_calls_nobody(agent):
    """Strangers write it: of a link to a new password they ask for, and of sign-ins that fail."""
    for text in (
        WRITER.render(LetterKind.RESET, "en", {"device": agent, "url": f"{SITE}/reset?token=a"}).text,
        WRITER.render_alert(AlertKind.FAILURES_BURST, "en", {"device": agent}).text,
    ):
        (line,) = [line for line in text.splitlines() if line.startswith("Browser:")]
        assert not re.search(r"//|www\.|[\[\]<>@*|]", line)
        assert re.search("evil|everyone", line)


def test_a_language_nobody_chose_is_english():
    assert WRITER.render(LetterKind.TEST, "", {}).subject == "Mail works"
