"""A town in which keys for apps are made."""

from datetime import timedelta

from doorward.flows.app_keys import NewKey
from doorward.rules.letter import LetterKind
from doorward.rules.lockdown import LOCKDOWN_SETTING, Lockdown
from doorward.rules.session import Subject
from tests.fakes.app_keys import a_wish, connect_app_keys
from tests.fakes.flows import Town, a_visitor


class KeyTown(Town):
    """A town with two people and an administrator, all of whom have just signed in."""

    async def settle(self, **changes):
        for name in ("alice", "bob"):
            await self.add_user(name)
        await self.add_user("root", is_admin=True)
        self.limit(**changes)
        self.alice, self.bob, self.root = [await self.stand(name) for name in ("alice", "bob", "root")]
        self.letters.clear()
        return self

    def limit(self, **changes):
        self.keys = connect_app_keys(self, **changes)["app_keys"]

    async def stand(self, name):
        signed_in = await self.enter(name)
        return Subject(signed_in.user, signed_in.session)

    async def make(self, subject=None, name="Phone", address="203.0.113.7", **changes):
        new = await self.keys.create(subject or self.alice, a_wish(name, **changes), a_visitor(address), now=self.now)
        assert isinstance(new, NewKey), new
        return new

    async def lock_down(self):
        async with self.store.records.transaction() as transaction:
            await transaction.put_setting(LOCKDOWN_SETTING, Lockdown(self.now, "cli").write())

    @property
    def rows(self):
        return self.store.state.app_keys


async def have_keys(house):
    """A new key, one from an administrator, a new network, sleep, and keys that somebody else took back."""
    town = house.town
    actor = await house.administer()
    await town.add_user("alice")
    subject = await house.enter()
    house.outbox.letters.clear()
    made = connect_app_keys(town, sleep_after=timedelta(days=1))
    keys, uses = made["app_keys"], made["key_uses"]
    key = (await keys.create(subject, a_wish(forever=True), a_visitor(), now=house.now)).key
    await keys.create_for(None, "alice", a_wish("Nightly", forever=True), now=house.now)
    for address in ("203.0.113.7", "198.51.100.9"):
        uses.note(key.id, house.now, "curl", address)
        await uses.flush()
    town.clock.advance(timedelta(days=2))
    await keys.sleep_due(house.now)
    await keys.revoke_any(actor, [key.id], now=house.now)
    assert {letter.kind for letter in house.outbox.letters} == {
        LetterKind.KEY_MADE,
        LetterKind.KEY_NEW_PLACE,
        LetterKind.KEY_ASLEEP,
        LetterKind.KEY_REVOKED,
    }
