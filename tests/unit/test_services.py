"""Accounts of services have keys, and no way to sign in: each way there is, tried."""

from dataclasses import replace

import pytest

from doorward.errors import Clash, ConflictError, ForbiddenError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.app_keys import NewKey
from doorward.flows.outcome import Refused, SignedIn, Unacceptable, UpstreamRefused
from doorward.rules.audit import Act
from doorward.rules.break_glass import CODE_SIZE, Kit, hash_code, write_code
from doorward.rules.identity import User
from doorward.rules.login import Demand, Failure
from doorward.rules.session import Method
from doorward.rules.single_user import find_flaw
from tests.fakes.accounts import Offices
from tests.fakes.app_keys import a_wish
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor
from tests.fakes.second import give_passkey, use_passkey
from tests.fakes.upstream import a_provider, somebody

NOBODY = Refused(Failure.NOBODY)


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("root", is_admin=True)
    return made


async def add(town, name="backup", **changes):
    user = await town.administration.add_service(CLI, name=name, now=town.now, **changes)
    assert isinstance(user, User), user
    return user


async def become_service(town, name):
    """Somebody who had ways to come in, as the account of a service: the ways are still there."""
    user = next(each for each in town.store.state.users.values() if each.name == name)
    town.store.state.users[user.id] = replace(user, is_service=True)
    return town.store.state.users[user.id]


async def test_a_service_has_neither_password_nor_address(town):
    user = await add(town, display_name="Backups", groups=("machines",))
    assert (user.is_service, user.email, user.groups, user.administers) == (True, "", {"machines"}, False)
    assert user.id not in town.store.state.passwords
    event = town.audit[-1]
    assert (event.act, event.public["service"], event.private) == (Act.USER_CREATED, "yes", {"name": "backup"})
    outcome = await town.administration.add_service(CLI, name="No Good", groups=("a,b",), now=town.now)
    assert isinstance(outcome, Unacceptable)
    assert {field for field, _ in outcome.problems} == {"name", "groups"}
    with pytest.raises(ConflictError):
        await add(town)


async def test_only_administrators_add_services(town):
    await town.add_user("alice")
    signed_in = await town.enter("alice")
    actor = replace(CLI, user_id=signed_in.user.id)
    with pytest.raises(ForbiddenError):
        await town.administration.add_service(actor, name="backup", now=town.now)


async def test_administrators_make_its_keys(town):
    await add(town)
    new = await town.flows.app_keys.create_for(None, "backup", a_wish(), now=town.now)
    assert isinstance(new, NewKey)
    assert new.key.made_by == "cli"


async def test_no_password_opens_it(town):
    """Not even one that came into the records in another way."""
    await town.add_user("alice")
    await become_service(town, "alice")
    outcome = await town.try_login("alice", GOOD, a_visitor())
    assert outcome == NOBODY
    with pytest.raises(ConflictError) as caught:
        await town.administration.set_password(CLI, "alice", OTHER, now=town.now)
    assert caught.value.clash is Clash.NO_PASSWORD


async def test_no_passkey_opens_it(town):
    await town.add_user("alice")
    authenticator = Authenticator()
    await give_passkey(town, authenticator)
    await become_service(town, "alice")
    started = await town.begin(a_visitor())
    assert await use_passkey(town, started, authenticator) == NOBODY


async def test_no_provider_opens_it(town):
    town.providers["idp"] = a_provider(link_by_email=True)
    await town.add_user("alice")
    await town.enter_upstream(somebody())
    await become_service(town, "alice")
    visitor = a_visitor()
    outcome = await town.come_back(visitor, await town.leave(visitor), somebody())
    assert isinstance(outcome, UpstreamRefused)


async def test_no_provider_is_connected_to_it(town):
    """H08: whatever its address is."""
    town.providers["idp"] = a_provider(link_by_email=True)
    await town.add_user("alice")
    await become_service(town, "alice")
    visitor = a_visitor()
    outcome = await town.come_back(visitor, await town.leave(visitor), somebody())
    assert isinstance(outcome, UpstreamRefused)
    assert not town.store.state.identities


async def test_no_proxy_signs_it_in(town):
    await add(town)
    outcome = await town.flows.asserted.enter("backup", a_visitor(), return_to=None, previous=None, now=town.now)
    assert outcome == NOBODY


async def test_no_link_sets_it_a_password(town):
    recovery = town.flows.recovery
    await town.add_user("alice")
    link = await recovery.hand_out(CLI, "alice", now=town.now)
    await become_service(town, "alice")
    with pytest.raises(ConflictError) as caught:
        await recovery.hand_out(CLI, "alice", now=town.now)
    assert caught.value.clash is Clash.NO_PASSWORD
    token = link.url.partition("token=")[2]
    assert await recovery.follow(token, a_visitor(), previous=None, now=town.now) == NOBODY


async def test_no_link_is_mailed_to_it():
    offices = Offices()
    await offices.town.add_user("alice")
    await become_service(offices.town, "alice")
    assert await offices.recovery.ask(a_visitor(), login="alice", language="en", now=offices.now) is None
    assert not offices.outbox.letters


async def test_no_code_on_paper_opens_it(town):
    user = await add(town, is_admin=True)
    with pytest.raises(ConflictError):
        await town.flows.break_glass.make(CLI, "backup", now=town.now)
    entropy = b"c" * CODE_SIZE
    async with town.store.records.transaction() as transaction:
        await transaction.add_kit(Kit("kit", hash_code(entropy), user.id, "cli", town.now))
    outcome = await town.flows.break_glass.use(write_code(entropy), a_visitor(), previous=None, now=town.now)
    assert outcome == Refused(Failure.WRONG)


async def test_where_sessions_are_made_none_is_made_for_it(town):
    """Whatever way is added one day."""
    user = await add(town)
    with pytest.raises(ForbiddenError):
        town.opening.prepare(user, a_visitor(), methods=frozenset({Method.PASSWORD}), remember=False, now=town.now)


async def test_it_never_counts_as_an_administrator_who_can_come_in(town):
    """R05."""
    await add(town, is_admin=True)
    for act in (
        town.administration.set_admin(CLI, "root", False, now=town.now),
        town.administration.delete_user(CLI, "root", now=town.now),
    ):
        with pytest.raises(ConflictError) as caught:
            await act
        assert caught.value.clash is Clash.LAST_ADMINISTRATOR
    view = await town.flows.lockdowns.look(CLI, now=town.now)
    assert [each.user.name for each in view.prospects] == ["root"]
    assert (await town.administration.set_admin(CLI, "backup", False, now=town.now)).administers is False
    await town.administration.delete_user(CLI, "backup", now=town.now)


async def test_it_closes_no_setup_page():
    """R01."""
    town = Town()
    await add(town, is_admin=True)
    await add(town, "other")
    await town.administration.set_admin(CLI, "other", True, now=town.now)
    async with town.store.records.transaction() as transaction:
        assert not await transaction.is_set_up()


async def test_it_stands_for_no_network(town):
    """D-11."""
    assert "service" in find_flaw(await add(town))


async def test_confirming_opens_nothing_either(town):
    await town.add_user("alice")
    signed_in = await town.enter("alice")
    assert isinstance(signed_in, SignedIn)
    subject = await town.check(signed_in)
    visitor = a_visitor()
    started = await town.begin(visitor, subject=subject, demand=Demand.CONFIRM)
    await become_service(town, "alice")
    outcome = await town.submit(started.token, "alice", GOOD, visitor)
    assert isinstance(outcome, Refused)
    with pytest.raises(ForbiddenError):
        actor_of(subject, visitor)
