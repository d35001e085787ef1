"""The flows of accounts, connected to a town, its outbox, and a sign-in that notes who is sent on to it."""

from dataclasses import dataclass, field
from typing import Any

from doorward.errors import NotFoundError
from doorward.flows.accepting import PasswordRules
from doorward.flows.invites import Invites
from doorward.flows.newcomers import Newcomers
from doorward.flows.opening import Opening
from doorward.flows.outcome import Refused
from doorward.flows.own_record import OwnRecord
from doorward.flows.policies import Policies
from doorward.flows.profile import Profile
from doorward.flows.recovery import Recovery
from doorward.flows.registration import Registration
from doorward.flows.throttle import Throttle
from doorward.rules.login import Failure
from doorward.rules.mfa import MfaTerms
from doorward.rules.password import PasswordPolicy
from doorward.rules.registration import Mode
from tests.fakes.flows import DEVICE_KEY, GOOD, NAME_KEY, SIGNING_KEY, Town, a_visitor
from tests.fakes.outbox import FakeOutbox


@dataclass
class Offices:
    """Everything about accounts in one town."""

    town: Town = field(default_factory=Town)
    mode: Mode = Mode.OPEN
    approval: bool = False
    terms: MfaTerms = field(default_factory=MfaTerms)
    reserved: set[str] = field(default_factory=set)

    def __post_init__(self):
        town = self.town
        self.outbox = FakeOutbox()
        self.sent_on: list[dict[str, Any]] = []
        records, public_url = town.store.records, town.public_url
        rules = PasswordRules(PasswordPolicy(), lambda text: text == "password")
        throttle = Throttle(counters=town.store.counters, limits=town.limits, name_key=NAME_KEY, device_key=DEVICE_KEY)
        waiting = {"clock": town.clock, "pause": town.pause, "random": town.random, "tally": town.tally}
        stores = {"records": records, "tickets": town.store.tickets, "throttle": throttle, "outbox": self.outbox}
        self.opening = Opening(
            sessions=town.store.sessions,
            random=town.random,
            signing_key=lambda: SIGNING_KEY,
            device_key=DEVICE_KEY,
            terms=town.terms,
        )
        self.invites = Invites(records=records, random=town.random, outbox=self.outbox, public_url=public_url)
        self.registration = Registration(
            **stores,
            **waiting,
            password=town.password,
            rules=rules,
            go_on=self._go_on,
            public_url=public_url,
            newcomers=Newcomers(
                mode_in_file=lambda: self.mode,
                approval=lambda: self.approval,
                outbox=self.outbox,
                public_url=public_url,
            ),
            is_spoken_of=self.reserved.__contains__,
            is_password_open=self._is_password_open,
        )
        self.recovery = Recovery(
            **stores, **waiting, go_on=self._go_on, public_url=public_url, is_password_open=self._is_password_open
        )
        self.profile = Profile(
            **stores,
            **waiting,
            opening=self.opening,
            evidence=town.evidence,
            password=town.password,
            rules=rules,
            public_url=public_url,
        )
        self.own_record = OwnRecord(
            records=records,
            sessions=town.store.sessions,
            keyring=town.keyring,
            throttle=throttle,
            tally=town.tally,
        )
        self.policies = Policies(
            records=records,
            sessions=town.store.sessions,
            mfa_terms=lambda: self.terms,
            mode_in_file=lambda: self.mode,
        )

    async def _is_password_open(self):
        return self.town.passwords_open

    async def _go_on(self, user, visitor, **said):
        """`flows.registration.Continue` that notes what it was told, and leads nowhere."""
        self.sent_on.append({"user": user, "visitor": visitor, **said})
        return Refused(Failure.WRONG)

    @property
    def now(self):
        return self.town.now

    @property
    def users(self):
        return {user.name: user for user in self.town.store.state.users.values()}

    async def user_of(self, login):
        async with self.town.store.records.transaction() as transaction:
            user = await transaction.find_user_by_login(login)
        if user is None:
            raise NotFoundError(login)
        return user

    async def change(self, user, changed):
        async with self.town.store.records.transaction() as transaction:
            await transaction.advance_user(user, changed)

    async def register(self, name="carol", visitor=None, **changes):
        values = {"display_name": "", "password": GOOD, "again": GOOD, **changes}
        return await self.registration.register(visitor or a_visitor(), name=name, now=self.now, **values)
