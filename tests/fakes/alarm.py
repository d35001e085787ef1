"""An alarm that tells what it was rung for."""

from dataclasses import dataclass
from typing import Any

from doorward.flows.alert_desk import AlertDesk, Target
from doorward.flows.lookout import Lookout
from doorward.outside.letters.renderer import LetterWriter
from doorward.rules.alert import AlertKind
from doorward.rules.spread import Spread


@dataclass(frozen=True)
class Raised:
    kind: AlertKind
    about: str
    values: dict[str, str]
    transaction: Any


class FakeAlarm:
    """`flows.alerts.Alarm`."""

    def __init__(self):
        self.raised = []

    async def __call__(self, transaction, kind, about, values, now):
        assert now.tzinfo is not None
        self.raised.append(Raised(kind, about, dict(values), transaction))

    def rung(self):
        return [(each.kind.value, each.about) for each in self.raised]


class FakeMessenger:
    """`interfaces.Messenger`; `trouble` by target."""

    def __init__(self):
        self.sent, self.trouble, self.meanwhile = [], {}, None

    async def send(self, target, *, title, text):
        if self.meanwhile is not None:
            await self.meanwhile()
        if target in self.trouble:
            raise self.trouble[target]
        self.sent.append((target, title, text))


def connect_alerts(town):
    """The desk of a `tests.fakes.flows.Town`, which gets the messenger it sends with."""
    town.messenger = FakeMessenger()
    return AlertDesk(
        records=town.store.records,
        keyring=town.keyring,
        messenger=town.messenger,
        words=LetterWriter(town.public_url),
        outbox=town.post,
        log=town.log,
        targets=[Target("phone"), Target("room", frozenset({AlertKind.LOCKDOWN}))],
    )


def connect_lookout(town):
    """What notes the sign-ins of a town, which gets its alarm, and `places` by address."""
    town.alarm, town.places = FakeAlarm(), {}
    town.lookout = Lookout(
        records=town.store.records,
        keyring=town.keyring,
        random=town.random,
        alarm=town.alarm,
        account_key=b"a" * 32,
        spread=Spread(),
        locate=lambda address: town.places.get(str(address)),
    )
    return town.lookout
