"""What apps are sent that something else has a meaning for already."""

from collections.abc import Iterator

from doorward.config.finding import Finding
from doorward.config.schema import Config

_REMOTE = frozenset({"remote-user", "remote-email", "remote-name", "remote-groups"})


def check_apps(config: Config) -> Iterator[Finding]:
    """Headers of an app whose name is one of those that every app is sent, or that a proxy sends us."""
    for position, app in enumerate(config.apps):
        for each in app.headers:
            if config.headers.remote_user and each.header.name in _REMOTE:
                yield Finding(
                    f"apps[{position}].headers",
                    f"{each.name} is sent to every app already",
                    "name it in one place: headers.remote_user would be off then",
                    ("headers.remote_user",),
                )
            elif each.header.name == config.authn.trusted_header.name.lower():
                yield Finding(
                    f"apps[{position}].headers",
                    f"{each.name} says to us who somebody is, and is never to say so to an app",
                    "send it under another name",
                    ("authn.trusted_header.name",),
                )
