"""What may not stand together about the special modes, and what an operator should know of them."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from doorward.config.finding import Finding
from doorward.config.networks import is_inside, is_private, is_worldwide
from doorward.config.providers import build_providers
from doorward.config.schema import Config
from doorward.config.values import UNIX
from doorward.rules.identity import User
from doorward.rules.single_user import find_flaw


def check_modes(config: Config) -> Iterator[Finding]:
    """Problems, with which nothing may start."""
    yield from _check_single_user(config)
    yield from _check_header(config)
    yield from _check_ways(config)


def note_modes(config: Config) -> Iterator[Finding]:
    """What an operator should know."""
    yield from _note_single_user(config)
    yield from _note_header(config)


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


def check_closed_by_variable(config: Config, origin: str | None) -> list[Finding]:
    """What `AUTH_ENABLED=false` says elsewhere is "leave it to the proxy", so a proxy there must be (A-28)."""
    if origin != "variable AUTH_ENABLED" or config.authn.password or config.authn.trusted_header.name:
        return []
    message = "false leaves signing in to a proxy, and no authn.trusted_header says which"
    return [Finding("AUTH_ENABLED", message, "set authn.trusted_header, or remove this variable")]


def _check_header(config: Config) -> Iterator[Finding]:
    header, proxy = config.authn.trusted_header, config.proxy
    if header.networks and not header.name:
        yield Finding("authn.trusted_header.name", "these peers say nothing", "name the header, or remove networks")
    if header.name and not header.networks:
        hint = "name the address of the proxy that signs people in"
        yield Finding("authn.trusted_header.networks", f"nobody may say who it is in {header.name}", hint)
    peers = [peer for peer in header.networks if isinstance(peer, IPv4Network | IPv6Network)]
    outside = [str(peer) for peer in peers if not is_inside(peer, proxy.networks)]
    if len(peers) < len(header.networks) and not proxy.trusts_unix:
        outside.append(UNIX)
    if outside:
        yield Finding(
            "authn.trusted_header.networks",
            f"{', '.join(outside)}: not in proxy.trusted, so no proxy of ours",
            "add it to proxy.trusted, or name fewer peers",
            ("proxy.trusted",),
        )
    elif is_worldwide(peers):
        message = "these networks are the whole world: anybody could say to be anybody"
        yield Finding("authn.trusted_header.networks", message, "name the address of the proxy that signs people in")


def _check_ways(config: Config) -> Iterator[Finding]:
    """No way of signing in at all is never what somebody wants (D-12, A-28)."""
    enabled = any(provider.enabled for provider in build_providers(config))
    if not config.authn.password and not enabled and not config.authn.trusted_header.name:
        yield Finding(
            "authn.password",
            "nobody could sign in: no password, no provider of this file that is switched on, no trusted header",
            "add one of them; where the console has the providers, switch passwords off there, too",
            ("authn.provider", "authn.providers", "authn.trusted_header.name"),
        )


def _note_header(config: Config) -> Iterator[Finding]:
    header = config.authn.trusted_header
    if header.name:
        peers = ", ".join(str(peer) for peer in header.networks)
        message = f"{peers} says who signs in, in {header.name}; it must set or remove that header on every request"
        yield Finding("authn.trusted_header", message, calm=True)
    if header.name and config.registration.mode == "open" and not config.registration.approval:
        yield Finding(
            "authn.trusted_header",
            "DANGER: anyone can register under a user name that the proxy gives somebody else, who would then come in "
            "to that account, and bring it their rights",
            "write another `registration.mode`, or `registration.approval: true`",
            ("registration.mode",),
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


def note_standing_in(config: Config, user: User | None) -> list[Finding]:
    """What only the data can tell: that the account which is to stand for a network cannot. `user` is that account."""
    name = config.single_user.user
    flaw = find_flaw(user) if name else ""
    if not flaw:
        return []
    hint = "until that is mended, whoever comes from these networks signs in like everybody else"
    return [Finding("single_user.user", f"{name} stands for nobody: {flaw}", hint)]
