"""What the flows are made of: the world, as the composition root has opened it."""

import asyncio
from dataclasses import dataclass, field

from doorward.config.schema import Config
from doorward.flows.assertion_keys import AssertionKeys
from doorward.flows.stored_keys import SameInstallation, SessionKey
from doorward.interfaces import Clock, LiveView, Log, Random, Sessions
from doorward.outside.hasher import PooledHasher
from doorward.outside.keyring import FileKeyring
from doorward.outside.upstream.client import UpstreamClient
from doorward.rules.policy import Policy
from doorward.rules.provider import Provider
from doorward.storage.sqlite import SqliteStorage
from doorward.web.metrics import Counts


@dataclass(slots=True)
class PolicyInForce:
    """The present policy and providers; replaced as a whole at a reload, so that nobody ever sees half of one."""

    present: Policy
    providers: tuple[Provider, ...]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a reload reads the file and puts it in force."""

    def knows_host(self, host: str) -> bool:
        """Whether a rule or an app speaks of this canonical host."""
        return self.present.for_host(host).is_known

    def names_user(self, name: str) -> bool:
        """Whether a rule or a group of the configuration speaks of a user of this name."""
        return self.present.names_user(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that flows are connected to."""

    config: Config
    policy: PolicyInForce
    clock: Clock
    random: Random
    log: Log
    keyring: FileKeyring
    storage: SqliteStorage
    sessions: Sessions
    live: LiveView
    hasher: PooledHasher
    upstream: UpstreamClient
    signing_key: SessionKey
    assertion_keys: AssertionKeys
    same: SameInstallation
    counts: Counts
