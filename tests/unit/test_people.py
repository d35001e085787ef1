"""What administrators do to accounts besides making and ending them."""

from dataclasses import replace

import pytest

from doorward.errors import Clash, ConflictError
from doorward.flows.admin import CLI, Administration, actor_of
from doorward.flows.changing import version_of
from doorward.flows.outcome import Unacceptable
from doorward.rules.factor import FactorId, Passkey, RecoveryCode, Totp
from doorward.rules.session import Subject
from tests.fakes.flows import OTHER, Town, a_visitor
from tests.fakes.outbox import FakeOutbox
from tests.fakes.upstream import a_provider, somebody


@pytest.fixture
async def town():
    made = Town()
    made.outbox = FakeOutbox()
    made.administration = Administration(
        records=made.store.records,
        sessions=made.store.sessions,
        password=made.password,
        rules=made.administration._rules,
        random=made.random,
        demands=made.owing.demands,
        outbox=made.outbox,
    )
    await made.add_user("root", is_admin=True)
    await made.add_user("alice", groups=["staff"])
    return made


async def user_of(town, login="alice"):
    async with town.store.records.transaction() as transaction:
        return await transaction.find_user_by_login(login)


async def edit(town, **changes):
    values = {"name": "alice", "display_name": "", "email": "alice@example.test", **changes}
    return await town.administration.edit_user(CLI, "alice", now=town.now, **values)


def live(town):
    return len(town.store.state.sessions)


# Editing


async def test_another_name_to_show_ends_nothing(town):
    await town.enter()
    changed = await edit(town, display_name="Alice \u00c5")
    assert changed == await user_of(town)
    assert changed.display_name == "Alice \u00c5"
    assert live(town) == 1
    assert town.outbox.letters == []
    assert town.audit[-1].act.value == "admin.user_update"
    assert "alice" not in str(town.audit[-1].public)


@pytest.mark.parametrize("change", [{"name": "Alicia"}, {"email": "NEW@example.test"}, {"email": ""}])
async def test_with_another_name_or_address_it_is_another_account_to_the_rules(town, change):
    """D-05, E16."""
    await town.enter()
    changed = await edit(town, **change)
    assert (changed.name, changed.email) in {
        ("alicia", "alice@example.test"),
        ("alice", "new@example.test"),
        ("alice", ""),
    }
    assert live(town) == 0
    assert changed.generation == 2


async def test_another_address_is_told_to_the_old_one(town):
    await edit(town, email="new@example.test")
    assert town.outbox.sent() == [("email_changed", "alice@example.test")]
    assert town.outbox.letters[0].language == "en"


async def test_what_cannot_be_used_is_said_and_changes_nothing(town):
    outcome = await edit(town, name="\u0430lice", display_name="a\nb", email="a@b@c")
    assert isinstance(outcome, Unacceptable)
    assert [field for field, _ in outcome.problems] == ["name", "display_name", "email"]


async def test_nobody_takes_a_name_that_is_taken(town):
    with pytest.raises(ConflictError):
        await edit(town, name="ROOT")


async def test_a_stale_form_undoes_nothing(town):
    """R08."""
    seen = version_of(await user_of(town))
    assert isinstance(await edit(town, display_name="First", seen=seen), type(await user_of(town)))
    with pytest.raises(ConflictError):
        await edit(town, display_name="Second", seen=seen)
    assert (await user_of(town)).display_name == "First"


# Rights


async def test_an_administrator_is_made_and_unmade(town):
    await town.enter()
    assert (await town.administration.set_admin(CLI, "alice", is_admin=True, now=town.now)).is_admin
    assert live(town) == 1
    assert town.audit[-1].public == {"admin": "yes"}
    assert not (await town.administration.set_admin(CLI, "alice", is_admin=False, now=town.now)).is_admin
    assert live(town) == 0
    assert town.audit[-1].public == {"admin": "no"}


async def test_the_last_administrator_stays_one(town):
    """R05."""
    with pytest.raises(ConflictError):
        await town.administration.set_admin(CLI, "root", is_admin=False, now=town.now)


async def test_making_the_first_administrator_closes_the_setup_page():
    """R01."""
    town = Town()
    await town.add_user("alice")
    assert await town.setup.issue(now=town.now) is not None
    await town.administration.set_admin(CLI, "alice", is_admin=True, now=town.now)
    assert await town.setup.issue(now=town.now) is None


async def test_who_administers_by_a_providers_word_too_may_lose_their_own():
    """The account still administers, so nobody leaves."""
    town = Town()
    town.providers["idp"] = a_provider(
        auto_provision=True, groups_claim="groups", admin_claim="groups", admin_value="root"
    )
    entered = await town.enter_upstream(somebody(claims={"groups": ["root"]}))
    login = entered.user.name
    assert (await town.administration.set_admin(CLI, login, is_admin=True, now=town.now)).granted_admin
    assert (await town.administration.set_admin(CLI, login, is_admin=False, now=town.now)).administers


async def test_an_account_for_the_console_loses_its_sessions(town):
    """D-06."""
    await town.enter()
    changed = await town.administration.set_console_only(CLI, "alice", console_only=True, now=town.now)
    assert changed.console_only
    assert live(town) == 0
    await town.enter()
    changed = await town.administration.set_console_only(CLI, "alice", console_only=False, now=town.now)
    assert not changed.console_only
    assert live(town) == 1


# Passwords


async def test_a_password_change_is_forced_and_ends_all_sessions(town):
    """A-17."""
    await town.enter()
    changed = await town.administration.force_password_change(CLI, "alice", now=town.now)
    assert changed.must_change_password
    assert live(town) == 0
    assert town.acts()[-1] == "admin.password_force_change"


async def test_no_change_is_forced_where_there_is_no_password(town):
    town.store.state.passwords.clear()
    with pytest.raises(ConflictError):
        await town.administration.force_password_change(CLI, "alice", now=town.now)


async def test_a_password_may_be_good_for_one_sign_in(town):
    """A-17."""
    changed = await town.administration.set_password(CLI, "alice", OTHER, must_change=True, now=town.now)
    assert changed.must_change_password
    assert town.audit[-1].public == {"must_change": "yes"}
    changed = await town.administration.set_password(CLI, "alice", OTHER, now=town.now)
    assert not changed.must_change_password
    assert (await town.add_user("carol", must_change=True, console_only=True)).must_change_password
    assert (await user_of(town, "carol")).console_only


# Factors


async def test_all_factors_are_taken_and_all_sessions_end(town):
    """A-17."""
    user = await user_of(town)
    await town.enter()
    async with town.store.records.transaction() as transaction:
        await transaction.advance_user(user, replace(user, enrol_by=town.now))
        await transaction.put_totp(Totp(user.id, "sealed", 0, town.now))
        await transaction.add_passkey(
            Passkey(FactorId("1" * 32), user.id, b"d" * 32, "sealed", "Key", 0, True, False, False, town.now)
        )
        await transaction.put_recovery_codes(user.id, [RecoveryCode(FactorId("2" * 32), user.id, 0, "s", town.now)])
    assert await town.administration.list_protected(CLI) == {user.id}
    changed = await town.administration.reset_factors(CLI, "alice", now=town.now)
    async with town.store.records.transaction() as transaction:
        factors = await transaction.find_factors(user.id)
    assert not factors.protects
    assert factors.recovery_codes == ()
    assert changed.enrol_by is None
    assert live(town) == 0
    assert town.audit[-1].public == {"totp": "yes", "passkeys": "1", "recovery_codes": "1"}
    assert town.outbox.sent() == [("factor_removed", "alice@example.test")]


async def test_taking_factors_where_there_are_none_ends_the_sessions_all_the_same(town):
    await town.enter()
    town.outbox.is_open = False
    await town.administration.reset_factors(CLI, "alice", now=town.now)
    assert live(town) == 0
    assert town.outbox.letters == []
    assert town.audit[-1].public == {"totp": "no", "passkeys": "0", "recovery_codes": "0"}


async def test_administrators_take_nothing_of_their_own_away_this_way(town):
    """F13: who only has their session lets go of a factor where it is asked for, not here. The machine may."""
    entered = await town.enter("root")
    actor = actor_of(Subject(entered.user, entered.session), a_visitor())
    before = town.store.state.audit
    with pytest.raises(ConflictError) as caught:
        await town.administration.reset_factors(actor, "root", now=town.now)
    assert caught.value.clash is Clash.OWN_FACTORS
    assert (live(town), town.store.state.audit) == (1, before)
    await town.administration.reset_factors(actor, "alice", now=town.now)
    await town.administration.reset_factors(CLI, "root", now=town.now)
    assert live(town) == 0


# Letting in


@pytest.fixture
async def waiting(town):
    user = await user_of(town)
    async with town.store.records.transaction() as transaction:
        await transaction.advance_user(user, replace(user, enabled=False, awaits_approval=True, language="de"))
    return town


async def test_who_was_let_in_is_told(waiting):
    user = await waiting.administration.approve(CLI, "alice", now=waiting.now)
    assert user.enabled
    assert not user.awaits_approval
    assert waiting.outbox.sent() == [("registration_approved", "alice@example.test")]
    assert waiting.outbox.letters[0].language == "de"
    assert waiting.acts()[-1] == "admin.registration_approve"
    await waiting.enter()


async def test_who_was_refused_is_gone(waiting):
    await waiting.administration.refuse(CLI, "alice", now=waiting.now)
    assert await user_of(waiting) is None
    assert waiting.acts()[-1] == "admin.registration_refuse"


async def test_enabling_is_letting_in(waiting):
    assert not (await waiting.administration.set_enabled(CLI, "alice", enabled=True, now=waiting.now)).awaits_approval
    assert waiting.outbox.sent() == [("registration_approved", "alice@example.test")]


async def test_only_who_waits_is_let_in_or_refused(town):
    with pytest.raises(ConflictError):
        await town.administration.approve(CLI, "alice", now=town.now)
    with pytest.raises(ConflictError):
        await town.administration.refuse(CLI, "alice", now=town.now)
    assert await user_of(town) is not None


async def test_who_has_no_address_is_not_written_to(waiting):
    user = await user_of(waiting)
    async with waiting.store.records.transaction() as transaction:
        await transaction.advance_user(user, replace(user, email=""))
    await waiting.administration.approve(CLI, "alice", now=waiting.now)
    assert waiting.outbox.letters == []
