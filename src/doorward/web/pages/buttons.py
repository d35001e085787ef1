"""Providers as the pages offer them: one button each."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from doorward.flows.upstream import UpstreamSignIn
from doorward.rules.provider import Provider
from doorward.web.pages.provider_icons import provider_icon


@dataclass(frozen=True, slots=True)
class Button:
    """A provider as a page shows it. `last`: it was the one last time. `trouble`: it may not answer now."""

    id: str
    name: str
    icon: Markup
    last: bool
    trouble: bool


def list_buttons(providers: Iterable[Provider], upstream: UpstreamSignIn, *, last: str = "") -> list[Button]:
    """The buttons of these providers, in their order."""
    return [
        Button(
            id=provider.id,
            name=provider.name,
            icon=provider_icon(provider),
            last=provider.id == last,
            trouble=upstream.find_trouble(provider) is not None,
        )
        for provider in providers
    ]
