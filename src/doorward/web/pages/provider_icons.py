"""The drawing on a provider's button: a few glyphs of our own, in the colour people know. None is anybody's logo."""

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from doorward.rules.provider import Kind, Provider

_NEUTRAL: Final = "key"
_BY_KIND: Final = {Kind.GOOGLE: "google", Kind.GITHUB: "github", Kind.OIDC: _NEUTRAL}

# Name: the colour of the ground ("" for the page's own), and the drawing on it in white, 24 by 24.
_DRAWINGS: Final[Mapping[str, tuple[str, str]]] = {
    "authelia": ("#113a63", "M12 4l7 3v5c0 4-3 6.5-7 8-4-1.5-7-4-7-8V7zM12 9v6M9 12h6"),
    "authentik": ("#c8402a", "M5 9h14v9H5zM9 18v-4h6v4M8 9V6h8v3"),
    "codeberg": ("#1b5b95", "M4 18 12 5l8 13M12 11l3.5 7"),
    "forgejo": ("#b8431f", "M8 19V9.5A4.5 4.5 0 0 1 12.5 5H17M8 16a4 4 0 0 1 4-4h5"),
    "github": ("#24292f", "M8 6v12M8 15c0-4 8-2 8-8M6.5 6h3M6.5 18h3M14.5 7h3"),
    "google": ("#3367d6", "M18 8.2A7 7 0 1 0 19 12h-7"),
    "keycloak": ("#44525c", "M8.5 5.5h7L19 12l-3.5 6.5h-7L5 12zM12 10v4"),
    "key": ("", "M8.5 18a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11.5 11.2l7-7M15.5 7.2l2.5 2.5"),
    "microsoft": ("#2b5797", "M6 6h5v5H6zM13 6h5v5h-5zM6 13h5v5H6zM13 13h5v5h-5z"),
    "pocket-id": ("#3f3f46", "M7 19V5h5.5a4 4 0 0 1 0 8H7"),
    "zitadel": ("#5469d4", "M6 6h12L6 18h12"),
}

NAMES: Final = tuple(sorted(_DRAWINGS))
"""Names that a provider's `icon` may be; any other is shown as the neutral key."""


def provider_icon(provider: Provider) -> Markup:
    """What stands on the provider's button."""
    return _ICONS.get(provider.icon or _BY_KIND[provider.kind], _ICONS[_NEUTRAL])


def neutral_icon() -> Markup:
    """What stands for a provider that is gone."""
    return _ICONS[_NEUTRAL]


def _draw(ground: str, drawing: str) -> Markup:
    return Markup(
        '<svg class="glyph{}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
        '<rect x=".5" y=".5" width="23" height="23" rx="5" fill="{}"/><path stroke="#fff" d="{}"/></svg>'
    ).format("" if ground else " glyph-own", ground or "none", drawing)


_ICONS: Final = {name: _draw(*each) for name, each in _DRAWINGS.items()}
