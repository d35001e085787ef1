"""What may not stand together about the special modes, and what an operator should know of them."""

from collections.abc import Iterator

from doorward.config.finding import Finding
from doorward.config.networks import is_inside, is_private, is_worldwide
from doorward.config.schema import Config


def check_modes(config: Config) -> Iterator[Finding]:
    """Problems, with which nothing may start."""
    yield from _check_single_user(config)


def note_modes(config: Config) -> Iterator[Finding]:
    """What an operator should know."""
    yield from _note_single_user(config)


def _check_single_user(config: Config) -> Iterator[Finding]:
    mode, trusted = config.single_user, config.proxy.networks
    if mode.user and not mode.networks:
        message = f"without networks, nobody would be {mode.user}"
        yield Finding("single_user.networks", message, "name your own network, such as 192.168.1.0/24")
    if mode.networks and not mode.user:
        yield Finding("single_user.user", "these networks stand for nobody", "name the account, or remove networks")
    if is_worldwide(mode.networks):
        message = "these networks are the whole world: anybody would be let in without signing in"
        yield Finding("single_user.networks", message, "name your own network, such as 192.168.1.0/24")
    elif mode.networks and all(is_inside(network, trusted) for network in mode.networks):
        yield Finding(
            "single_user.networks",
            "all of it is in proxy.trusted, and a proxy's address is nobody's, so it would never apply",
            "name in proxy.trusted the addresses of your proxies only",
            ("proxy.trusted",),
        )


def _note_single_user(config: Config) -> Iterator[Finding]:
    mode = config.single_user
    if not mode.user:
        return
    wide = [str(network) for network in mode.networks if not is_private(network)]
    if wide:
        yield Finding(
            "single_user.networks",
            f"DANGER: whoever comes from {', '.join(wide)} is {mode.user} without signing in, and that is no private "
            "network",
            "name private networks only",
        )
    else:
        names = ", ".join(str(network) for network in mode.networks)
        yield Finding("single_user", f"whoever comes from {names} is {mode.user} without signing in", calm=True)
