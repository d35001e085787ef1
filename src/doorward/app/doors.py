"""What answers: gate, pages and API, in front of the flows."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from doorward import __version__
from doorward.config.schema import Config
from doorward.config.values import UNIX, Secret

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from doorward.web.asserted import AssertedHeader
    from doorward.web.gate.endpoint import Gate
    from doorward.web.gate.settings import GateSettings
    from doorward.web.headers import HeaderPolicy
    from doorward.web.health import Health
    from doorward.web.pages.desk import Site
    from doorward.web.session_cookie import Cookies


from doorward.app.house import House


@dataclass(frozen=True, slots=True)
class Doors:
    """What answers: the application, and the parts of it that `serve` talks to."""

    application: "ASGIApp"
    gate: "Gate"
    health: "Health"


def build_doors(house: House) -> Doors:
    """Put gate, pages and API in front of the flows."""
    from doorward.app.gate_keys import connect_key_reader
    from doorward.app.key_entry import build_key_entry, build_owner_standings, tokens_of
    from doorward.flows.app_secrets import ShownHeaders
    from doorward.web.api.lazy import LazyApp
    from doorward.web.client import Trust
    from doorward.web.csrf import CsrfGuard
    from doorward.web.gate.asgi_lane import GateEndpoint
    from doorward.web.gate.endpoint import Gate
    from doorward.web.gate.single_user import SingleUserAccount
    from doorward.web.gate.table import SessionTable
    from doorward.web.health import Health
    from doorward.web.metrics import Measured
    from doorward.web.pages.assets import Assets
    from doorward.web.pages.denial import DenialPage
    from doorward.web.pages.desk import Desk
    from doorward.web.pages.errors import ErrorPages
    from doorward.web.pages.routes import build_routes
    from doorward.web.pages.templates import Templates
    from doorward.web.pages.threshold import Threshold
    from doorward.web.pairing import PairingDoor
    from doorward.web.server import Server, is_check
    from doorward.web.visit import Reader

    config, flows, clock, random = house.config, house.flows, house.clock, house.random
    site, headers = _site_of(config), _headers_of(config)
    cookies = _cookies_of(config, house.keyring.derive("companion"))
    trust = Trust(networks=config.proxy.networks, unix=config.proxy.trusts_unix, hops=config.proxy.hops)
    templates, assets = Templates(), Assets()
    single_user = config.single_user
    standings, tokens = build_owner_standings(house), tokens_of(config, house.keyring)
    table = SessionTable(house.live, key_lifetime=config.api_keys.max_lifetime, judge=standings.judge)
    reads_keys = connect_key_reader(config, house.hasher, table, tokens)
    gate = Gate(
        policy=house.policy.present,
        settings=_gate_settings_of(config, headers, cookies),
        trust=trust,
        table=table,
        signing_key=house.signing_key,
        clock=clock,
        random=random,
        log=house.log,
        touch=house.touches.note,
        page=DenialPage(site, templates, assets, headers, clock),
        keys=reads_keys,
        key_touch=flows.key_uses.note,
        app_headers=ShownHeaders(house.live, house.keyring),
        minter=flows.minter,
        single_user=SingleUserAccount(
            house.live,
            single_user.user,
            house.log,
            networks=single_user.networks,
            proxies=config.proxy.networks,
        )
        if single_user.user
        else None,
    )
    csrf = CsrfGuard(house.keyring.derive("csrf"), site.origin, cookies.csrf, random)
    reader = Reader(
        cookies,
        trust,
        house.signing_key,
        lambda fingerprint, now: flows.account.find_subject(fingerprint, now=now),
        house.touches.note,
        _asserted_of(config),
    )
    desk = Desk(site, headers, cookies, csrf, random, templates, assets, house.policy.knows_host, house.log)
    health = Health(house.probe)

    def make_api() -> "ASGIApp":
        from doorward.web.api.application import build_api
        from doorward.web.api.parts import ApiParts

        return build_api(
            ApiParts(
                flows=flows,
                reader=reader,
                csrf=csrf,
                cookies=cookies,
                clock=clock,
                random=random,
                version=__version__,
                remember_me=config.session.remember_ttl is not None,
                keys=build_key_entry(house, reads_keys, tokens, standings),
                tokens=tokens,
            )
        )

    server = Server(
        gate=GateEndpoint(gate),
        api=PairingDoor(LazyApp(make_api), flows.pairing, trust, clock, config.server.public_url),
        routes=build_routes(desk, flows, lambda: house.policy.present),
        threshold=Threshold(desk),
        assets=assets,
        errors=ErrorPages(desk),
        reader=reader,
        health=health,
        headers=headers,
        public_url=config.server.public_url,
        clock=clock,
        random=random,
        log=house.log,
        max_body=config.limits.body_size,
        https_only=config.https.force,
    )
    return Doors(Measured(server, counts=house.counts, clock=clock, passes=is_check), gate, health)


def _asserted_of(config: Config) -> "AssertedHeader | None":
    from doorward.web.asserted import AssertedHeader
    from doorward.web.client import Trust

    header = config.authn.trusted_header
    if not header.name:
        return None
    networks = tuple(peer for peer in header.networks if isinstance(peer, IPv4Network | IPv6Network))
    return AssertedHeader(header.name.encode("ascii"), Trust(networks=networks, unix=UNIX in header.networks))


def _cookies_of(config: Config, companion_key: bytes) -> "Cookies":
    from doorward.web.session_cookie import Cookies, CsrfCookie

    return Cookies(
        session=config.cookie.name,
        secure=config.cookie_secure,
        companion_key=companion_key,
        domain=config.cookie.domain or "",
        persistent=config.cookie.persistent,
        same_site="Strict" if config.cookie.samesite == "strict" else "Lax",
        csrf_cookie=CsrfCookie(
            name=config.csrf.cookie_name or "",
            http_only=config.csrf.http_only,
            same_site="Lax" if config.csrf.same_site == "lax" else "Strict",
            secure=config.csrf_secure,
        ),
    )


def _headers_of(config: Config) -> "HeaderPolicy":
    from doorward.web.headers import HeaderPolicy

    hsts = config.headers.hsts
    return HeaderPolicy(
        hsts_seconds=int(hsts.max_age.total_seconds()) if hsts.max_age and config.server.is_https else None,
        hsts_subdomains=hsts.include_subdomains,
        frame=config.headers.frame.upper(),
        xss_protection={"block": "1; mode=block", "zero": "0", "off": ""}[config.headers.xss_protection],
        referrer=config.headers.referrer_policy,
        content=config.headers.csp,
        upgrade=config.https.force,
    )


def _site_of(config: Config) -> "Site":
    from doorward.web.pages.desk import DEMO_BANNER, Site

    remember = config.session.remember_ttl
    return Site(
        public_url=config.server.public_url,
        banner="" if config.server.is_https else DEMO_BANNER,
        remember_for=_spell(remember) if remember else "",
        shortest_password=config.password.min_length,
        contacts=config.security_txt.contact,
        security_policy=config.security_txt.policy,
        key_parameter=config.api_keys.url_parameter,
    )


def _gate_settings_of(config: Config, headers: "HeaderPolicy", cookies: "Cookies") -> "GateSettings":
    from doorward.web.gate.identity import name_headers
    from doorward.web.gate.settings import GateSettings

    return GateSettings(
        public_url=config.server.public_url,
        cookie_name=cookies.session.encode("ascii"),
        cookie_domain=cookies.domain,
        cookie_secure=cookies.secure,
        identity=name_headers(
            forwarded=config.headers.forwarded_user,
            remote=config.headers.remote_user,
            asserted=config.authn.trusted_header.name.encode("ascii"),
        ),
        secrets={name: shown.reveal().encode() for name, shown in config.proxy.secrets if isinstance(shown, Secret)},
        private_cookies=frozenset(name.encode("ascii") for name in cookies.private),
        client_headers=tuple(headers.gate_headers()),
        assertion_header=config.assertion.header.lower().encode("ascii"),
        pairs_devices=config.pairing.enabled,
    )


def _spell(span: timedelta) -> str:
    """A span in the largest unit that fits: `7 days`, `12 hours`."""
    seconds = int(span.total_seconds())
    size, unit = next(
        (size, unit)
        for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
        if not seconds % size
    )
    return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
