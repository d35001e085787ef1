"""What must hold between the signed assertion and everything else that apps are sent."""

from collections.abc import Iterator

from doorward.config.finding import Finding
from doorward.config.schema import Config

_IDENTITY = ("remote-user", "remote-email", "remote-name", "remote-groups")


def check_assertions(config: Config) -> Iterator[Finding]:
    """One header, one meaning; one audience, one app."""
    header = config.assertion.header.lower()
    taken = {
        each.header.name: f"apps[{place}].headers" for place, app in enumerate(config.apps) for each in app.headers
    }
    taken |= dict.fromkeys(_IDENTITY, "headers.remote_user") if config.headers.remote_user else {}
    taken[config.authn.trusted_header.name] = "authn.trusted_header.name"
    if header in taken:
        yield Finding(
            "assertion.header",
            f"{config.assertion.header} says something else already",
            "choose another",
            (taken[header],),
        )
    found: dict[str, str] = {}
    for place, app in enumerate(config.apps):
        audience = app.audience or app.name
        if app.assertion and found.setdefault(audience, app.name) != app.name:
            # SECURITY: what one of them is told would be good at the other; tests/unit/test_config_assertion.py.
            yield Finding(
                f"apps[{place}].audience", f"assertions for {found[audience]!r} say the same", "choose another"
            )
        if app.audience and not app.assertion:
            yield Finding(f"apps[{place}].audience", "no assertion is sent", "add `assertion: true`, or remove it")
