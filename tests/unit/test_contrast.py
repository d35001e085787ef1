"""Every pair of colours that meets on a page has the contrast WCAG 2.2 AA asks for, in both themes."""

import re
from pathlib import Path

import pytest

from doorward.rules.provider import Kind
from doorward.web.pages.provider_icons import NAMES, neutral_icon, provider_icon
from tests.fakes.upstream import a_provider

STATIC = Path(__file__).parents[2] / "src/doorward/web/pages/static"
TEXT, LARGE_OR_PART = 4.5, 3.0

PAIRS = [
    # (foreground, background, least contrast)
    *[("ink", ground, TEXT) for ground in ("wall", "wall-far", "surface", "surface-sunk", "door-tint")],
    *[("ink-soft", ground, TEXT) for ground in ("wall", "wall-far", "surface", "surface-sunk")],
    *[("link", ground, TEXT) for ground in ("wall", "surface")],
    ("on-door", "door", TEXT),
    ("on-door", "door-deep", TEXT),
    ("on-danger", "danger", TEXT),
    ("danger", "surface", TEXT),
    ("danger", "danger-tint", TEXT),
    *[("danger", ground, TEXT) for ground in ("wall", "wall-far")],
    *[("warn", ground, TEXT) for ground in ("warn-tint", "surface")],
    ("ink-soft", "door-tint", TEXT),
    ("good", "good-tint", TEXT),
    ("brass", "surface", TEXT),
    *[("focus", ground, LARGE_OR_PART) for ground in ("wall", "wall-far", "surface", "surface-sunk")],
    *[("line-strong", ground, LARGE_OR_PART) for ground in ("surface", "surface-sunk", "wall", "wall-far")],
    *[("door", ground, LARGE_OR_PART) for ground in ("wall", "surface")],
]


def read_theme(dark: bool) -> dict[str, str]:
    text = (STATIC / "tokens.css").read_text()
    light_part, dark_part = text.split("(prefers-color-scheme: dark)")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light_part))
    return colours | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark_part)) if dark else colours


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_is_the_standards_own() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_what_meets_on_a_page_can_be_told_apart(front: str, back: str, least: float, dark: bool) -> None:
    theme = read_theme(dark)
    assert contrast(theme[front], theme[back]) >= least


def test_the_dark_theme_names_every_colour_of_the_light_one() -> None:
    light, dark = read_theme(dark=False), read_theme(dark=True)
    assert light.keys() == dark.keys()
    assert {name for name in light if light[name] == dark[name]} == set()


def test_colours_stand_in_the_tokens_and_nowhere_else() -> None:
    styles = "".join(path.read_text() for path in STATIC.glob("*.css") if path.name != "tokens.css")
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?!\")|rgba?\(|hsla?\(", styles) == []
    known = set(re.findall(r"--([a-z0-9-]+):", (STATIC / "tokens.css").read_text() + styles))
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", styles)) <= known


def test_motion_stops_for_who_asks_for_it() -> None:
    assert "prefers-reduced-motion: reduce" in (STATIC / "base.css").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_drawing_on_a_providers_button_is_seen_on_its_ground(name: str) -> None:
    drawing = str(provider_icon(a_provider(icon=name)))
    (ground,) = re.findall(r'<rect [^>]*fill="([^"]*)"', drawing)
    if ground == "none":  # that takes its colours from the tokens
        assert "glyph-own" in drawing
    else:
        assert contrast("#ffffff", ground) >= TEXT


@pytest.mark.parametrize(("kind", "name"), [(Kind.OIDC, "key"), (Kind.GOOGLE, "google"), (Kind.GITHUB, "github")])
def test_a_provider_without_a_drawing_of_its_own_has_the_one_that_fits(kind: Kind, name: str) -> None:
    named = provider_icon(a_provider(icon=name))
    assert provider_icon(a_provider(kind=kind)) == named
    assert provider_icon(a_provider(icon="nobody-drew-this")) == neutral_icon()
