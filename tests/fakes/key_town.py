"""A town in which keys for apps are made."""

from doorward.flows.app_keys import NewKey
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
