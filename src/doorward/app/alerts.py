"""Telling operators, connected."""

from pathlib import Path

from doorward.app.parts import Parts
from doorward.app.settings import find_ca
from doorward.config.providers import build_outbound
from doorward.config.schema import Config
from doorward.flows.alert_desk import AlertDesk, Target
from doorward.flows.alerts import Alerts
from doorward.flows.letters import Outbox
from doorward.flows.lookout import Locate, Lookout
from doorward.interfaces import Keyring, Random
from doorward.outside.letters.renderer import LetterWriter
from doorward.outside.notify import AppriseMessenger
from doorward.rules.alert import AlertKind, AlertLimits
from doorward.rules.spread import Spread


def build_alerts(parts: Parts) -> Alerts:
    """The entrance: `raise_alert` is what flows are given."""
    return open_alerts(parts.config, parts.keyring, parts.random)


def open_alerts(config: Config, keyring: Keyring, random: Random) -> Alerts:
    """The same, before there are parts."""
    wanted = config.alerts
    return Alerts(
        keyring=keyring,
        random=random,
        kinds=frozenset(AlertKind) - frozenset(wanted.quiet),
        limits=AlertLimits(per_kind=wanted.per_kind, overall=wanted.overall),
    )


def build_lookout(parts: Parts) -> Lookout:
    """What notes sign-ins, and raises alerts. ConfigError where the database of places cannot be used."""
    config = parts.config
    locate: Locate | None = None
    if config.locations.database:
        from doorward.outside.places import MmdbPlaces

        places = MmdbPlaces(Path(config.locations.database), log=parts.log)
        places.check()
        locate = places.find
    return Lookout(
        records=parts.storage.records,
        keyring=parts.keyring,
        random=parts.random,
        alarm=build_alerts(parts).raise_alert,
        account_key=parts.keyring.derive("login-names"),
        spread=Spread(config.alerts.burst_accounts, config.alerts.burst_within),
        locate=locate,
    )


def build_alert_desk(parts: Parts, outbox: Outbox) -> AlertDesk:
    """The way out."""
    wanted = parts.config.alerts
    return AlertDesk(
        records=parts.storage.records,
        keyring=parts.keyring,
        messenger=open_messenger(parts.config),
        words=LetterWriter(parts.config.server.public_url),
        outbox=outbox,
        log=parts.log,
        targets=[Target(each.name, frozenset(each.kinds)) for each in wanted.targets],
        mailed=frozenset(wanted.mail),
        language=wanted.language,
    )


def open_messenger(config: Config) -> AppriseMessenger:
    """The way to the targets of the configuration."""
    addresses = {each.name: each.url.reveal() for each in config.alerts.targets}
    return AppriseMessenger(addresses, build_outbound(config), ca_file=find_ca(config))
