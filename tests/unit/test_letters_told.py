"""Letters say what the flows tell them: nothing is missing from a letter, and nothing is told in vain."""

import re
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.accepting import PasswordRules
from doorward.flows.admin import CLI, Administration, actor_of
from doorward.flows.changing import Change
from doorward.flows.importing import Source
from doorward.flows.invites import Made
from doorward.flows.letters import AN_ADMINISTRATOR, tell, tell_time
from doorward.flows.ties import Ties
from doorward.interfaces import Renewed
from doorward.outside.letters.renderer import LetterWriter
from doorward.outside.letters.wording import WORDINGS
from doorward.rules.importing import Choices, Incoming
from doorward.rules.language import LANGUAGES
from doorward.rules.letter import LetterKind
from doorward.rules.password import PasswordPolicy
from doorward.rules.session import Subject
from doorward.rules.users_file import write_users
from doorward.words import translate
from tests.fakes.accounts import Offices
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor
from tests.fakes.key_town import have_keys
from tests.fakes.second import SECRET, code_of, give_codes, give_passkey, give_totp, use_passkey
from tests.fakes.upstream import a_provider, somebody

VALUE = re.compile(r"%\((\w+)\)s")
OURS = {"site", "host"}
EVERYWHERE = {"name", "url"}
"""The greeting and the button are not the wording's own."""


class Telling(Town):
    """A town in which what concerns somebody is written to them."""

    async def notify(self, transaction, kind, user, values, now):
        await tell(self.outbox, transaction, kind, user, now, values)


class House(Offices):
    """Everything that writes letters, and one queue for all of them."""

    def __init__(self):
        super().__init__(town=Telling())
        town = self.town
        town.outbox = self.outbox
        rules = PasswordRules(PasswordPolicy(), lambda text: text == "password")
        self.people = Administration(
            records=town.store.records,
            sessions=town.store.sessions,
            password=town.password,
            rules=rules,
            random=town.random,
            demands=town.owing.demands,
            outbox=self.outbox,
        )

    async def administer(self):
        """An administrator, as who acts."""
        await self.town.add_user("root", is_admin=True, display_name="Robin Root")
        subject = await self.enter("root")
        self.outbox.letters.clear()
        return actor_of(subject, a_visitor())

    async def enter(self, name="alice"):
        signed_in = await self.town.enter(name)
        return Subject(signed_in.user, signed_in.session)


async def sign_in_anew(house):
    await house.town.add_user("alice")
    house.town.clock.advance(timedelta(days=1))
    await house.enter()


async def forget(house):
    await house.town.add_user("alice")
    await house.recovery.ask(a_visitor(), login="alice", language="en", now=house.now)


async def choose_a_password(house):
    await house.town.add_user("alice")
    subject = await house.enter()
    house.outbox.letters.clear()
    await house.profile.change_password(subject, a_visitor(), current=GOOD, password=OTHER, again=OTHER, now=house.now)


async def be_given_a_password(house):
    """A-17: whoever reads it learns who did it, by the console or at the machine."""
    actor = await house.administer()
    await house.town.add_user("alice")
    for who, name in ((actor, "Robin Root"), (CLI, AN_ADMINISTRATOR)):
        await house.people.set_password(who, "alice", OTHER, must_change=True, now=house.now)
        letter = house.outbox.letters[-1]
        assert (letter.kind, letter.to, letter.values["by"]) == (
            LetterKind.PASSWORD_CHANGED,
            "alice@example.test",
            name,
        )


async def be_overwritten_by_a_file(house):
    """Whose authenticator app it is from then on is somebody else's word."""
    actor = await house.administer()
    alice = await house.town.add_user("alice")
    account = Incoming(path="", name="alice", display_name="Alice", email=alice.email, totp=b"s" * 20)
    source = Source(raw=write_users([account], secrets=True, now=house.now).encode())
    importing, choices = house.town.flows.importing, Choices(overwrite=True)
    importing._outbox = house.outbox
    token = (await importing.preview(actor, source, choices)).token
    await importing.apply(actor, source, choices, token, now=house.now)
    assert house.outbox.letters[-1].values["by"] == "Robin Root"


async def move(house):
    await house.town.add_user("alice")
    subject = await house.enter()
    house.outbox.letters.clear()
    await house.profile.ask_email(subject, a_visitor(), email="new@example.test", now=house.now)
    await house.profile.confirm_email(house.outbox.token(), a_visitor(), now=house.now)


async def be_moved(house):
    actor = await house.administer()
    await house.town.add_user("alice")
    await house.people.change_user(actor, "alice", Change(email="new@example.test"), now=house.now)


async def invite(house):
    actor = await house.administer()
    made = await house.invites.make(
        actor, max_uses=1, lifetime=timedelta(days=2), email="guest@example.test", note="Welcome!", now=house.now
    )
    assert isinstance(made, Made)
    letter = house.outbox.letters[-1]
    assert letter.values["inviter"] == "Robin Root"
    assert letter.values["until"] == tell_time(house.now + timedelta(days=2))
    await house.invites.make(CLI, max_uses=None, lifetime=None, email="other@example.test", now=house.now)
    endless = house.outbox.letters[-1]
    assert (endless.values["inviter"], endless.values["until"]) == ("", "")


async def register(house):
    await house.town.add_user("alice")
    for email in ("carol@example.test", "alice@example.test"):
        await house.registration.ask_mail(a_visitor(), email=email, language="en", now=house.now)


async def be_let_in(house):
    actor = await house.administer()
    house.approval = True
    await house.registration.ask_mail(a_visitor(), email="carol@example.test", language="en", now=house.now)
    await house.register("carol", link=house.outbox.token())
    await house.people.approve(actor, "carol", now=house.now)


async def change_factors(house):
    town = house.town
    await town.add_user("alice")
    user = await give_totp(town)
    offer = await town.factors.begin_codes(user, a_visitor(), now=town.now)
    await town.factors.acknowledge_codes(user, a_visitor(), token=offer.token, now=town.now)
    await town.factors.remove_totp(user, a_visitor(), code=code_of(town, SECRET), now=town.now)


async def spend_a_code(house):
    town = house.town
    await town.add_user("alice")
    user = await give_totp(town)
    codes = await give_codes(town)
    await town.factors.remove_totp(user, a_visitor(), code=codes[0], now=town.now)


async def use_a_copy(house):
    town = house.town
    await town.add_user("alice")
    phone = Authenticator(counts=1)
    await give_passkey(town, phone)
    house.outbox.letters.clear()
    await use_passkey(town, await town.begin(a_visitor()), phone, sign_count=0)


async def lose_factors(house):
    actor = await house.administer()
    await house.town.add_user("alice")
    await give_totp(house.town)
    await house.people.reset_factors(actor, "alice", now=house.now)


async def connect_a_provider(house):
    """Asked for, and by the address; an account that a provider makes has learnt of nothing new."""
    town = house.town
    town.upstream_sign_in._settling._newcomers = replace(town.newcomers, outbox=house.outbox)
    town.providers["idp"] = a_provider(link_by_email=True)
    town.providers["other"] = a_provider("other", issuer="https://other.example.test")
    await town.enter_upstream(somebody("sub-carol", email="carol@example.test", user_name="carol"))
    assert house.outbox.letters == []
    await town.add_user("alice")
    subject = await house.enter()
    house.outbox.letters.clear()
    url = await town.leave_to_link(subject, a_visitor(), "other")
    await town.come_back(a_visitor(), url, somebody("theirs"), subject=subject)
    await town.enter_upstream(somebody())
    letters = [letter for letter in house.outbox.letters if letter.kind is LetterKind.PROVIDER_CONNECTED]
    assert [letter.to for letter in letters] == ["alice@example.test"] * 2
    assert [letter.values["provider"] for letter in letters] == [town.providers[each].name for each in ("other", "idp")]


async def lose_a_provider(house):
    """By its owner, by an administrator, and at the machine; one that is closed by now has its id for a name."""
    town = house.town
    town.providers["other"] = a_provider("other", issuer="https://other.example.test")
    await town.add_user("alice")
    subject = await house.enter()
    actor = await house.administer()
    for who in ("owner", actor, CLI):
        url = await town.leave_to_link(subject, a_visitor(), "other")
        linked = await town.come_back(a_visitor(), url, somebody("theirs"), subject=subject)
        house.outbox.letters.clear()
        if who == "owner":
            await town.identities.unlink(subject, linked.identity.id, a_visitor(), now=house.now)
        else:
            await town.identities.unlink_for(who, "alice", linked.identity.id, now=house.now)
        [letter] = house.outbox.letters
        assert (letter.kind, letter.to) == (LetterKind.PROVIDER_DISCONNECTED, "alice@example.test")
        assert letter.values["provider"] == town.providers["other"].name


async def lose_a_closed_provider(house):
    town = house.town
    await town.add_user("alice")
    subject = await house.enter()
    url = await town.leave_to_link(subject, a_visitor(), "idp")
    linked = await town.come_back(a_visitor(), url, somebody("theirs"), subject=subject)
    del town.providers["idp"]
    await town.identities.unlink(subject, linked.identity.id, a_visitor(), now=house.now)
    assert house.outbox.letters[-1].values["provider"] == "idp"


async def be_moved_by_a_provider(house):
    """As they sign in, and as the session is renewed, which is nobody's browser. No address at first is none to tell."""
    town, every = house.town, timedelta(minutes=10)
    town.upstream_sign_in._settling._newcomers = replace(town.newcomers, outbox=house.outbox)
    town.providers["idp"] = provider = a_provider(check_every=every)

    def moved():
        letters = [each for each in house.outbox.letters if each.kind is LetterKind.EMAIL_CHANGED]
        assert {each.values["by"] for each in letters} <= {provider.name}
        return [(each.to, bool(each.values.get("device"))) for each in letters]

    for email in ("", "first@example.test", "first@example.test"):
        await town.enter_upstream(somebody(email=email))
    assert moved() == []
    await town.enter_upstream(somebody(email="second@example.test"))
    assert moved() == [("first@example.test", True)]
    town.upstream.renewals.append(Renewed("", somebody(email="")))
    town.clock.advance(every)
    ties = Ties(
        records=town.store.records,
        sessions=town.store.sessions,
        keyring=town.keyring,
        upstream=town.upstream,
        find_provider=town.ways.find_provider,
        demands=town.owing.demands,
        outbox=house.outbox,
        log=town.log,
    )
    await ties.run_due(town.now)
    assert moved() == [("first@example.test", True), ("second@example.test", False)]


async def leave(house):
    """The letter is about no account, so it stays where those about the account go."""
    await house.town.add_user("alice")
    subject = await house.enter()
    house.outbox.letters.clear()
    assert await house.profile.delete(subject, a_visitor(), now=house.now) is None
    [letter] = house.outbox.letters
    assert (letter.kind, letter.to, letter.user_id) == (LetterKind.ACCOUNT_DELETED, "alice@example.test", "")


async def be_deleted(house):
    actor = await house.administer()
    for who, name, by in ((actor, "alice", "Robin Root"), (CLI, "bob", AN_ADMINISTRATOR)):
        await house.town.add_user(name)
        await house.people.delete_user(who, name, now=house.now)
        letter = house.outbox.letters[-1]
        assert (letter.kind, letter.to, letter.user_id) == (LetterKind.ACCOUNT_DELETED, f"{name}@example.test", "")
        assert letter.values["by"] == by
    await house.town.add_user("ruth", is_admin=True)
    await house.people.delete_user(actor, "root", now=house.now)
    assert house.outbox.letters[-1].values["by"] == "Robin Root"


async def told():
    """What the flows queue of each kind, where people do what there is to do."""
    found = defaultdict(list)
    for scene in (
        sign_in_anew,
        forget,
        choose_a_password,
        be_given_a_password,
        be_overwritten_by_a_file,
        move,
        be_moved,
        invite,
        register,
        be_let_in,
        change_factors,
        spend_a_code,
        use_a_copy,
        connect_a_provider,
        lose_factors,
        lose_a_provider,
        lose_a_closed_provider,
        be_moved_by_a_provider,
        leave,
        be_deleted,
        have_keys,
    ):
        house = House()
        await scene(house)
        assert house.outbox.letters, scene
        for letter in house.outbox.letters:
            found[letter.kind].append(letter.values)
    found[LetterKind.ALERT].append({"at": "2030-01-01 12:00 UTC"})  # tests/unit/test_alerts.py has the others
    found[LetterKind.TEST].append({})  # `Post.send_test` tells nothing
    return found


def used_by(kind):
    wording = WORDINGS[kind]
    return {name for text in (wording.subject, *wording.lines, *wording.notes) for name in VALUE.findall(text)} - OURS


async def test_every_letter_uses_what_the_flows_tell_and_nothing_else():
    found = await told()
    assert found.keys() == set(LetterKind)
    for kind, letters in found.items():
        given = {name for values in letters for name, value in values.items() if value}
        assert given - EVERYWHERE == used_by(kind), kind
        for values in letters:
            assert values.keys() - EVERYWHERE <= used_by(kind), kind
            assert bool(WORDINGS[kind].action) >= ("url" in values), kind


@pytest.mark.parametrize("language", LANGUAGES)
async def test_whoever_reads_a_letter_reads_what_was_told(language):
    """B-40: who invites, until when a link is good, when and from where something was done."""
    writer = LetterWriter("https://auth.example.test")
    for kind, letters in (await told()).items():
        for values in letters:
            written = writer.render(kind, language, values)
            assert "%(" not in written.text + written.html
            for name, value in values.items():
                # The kinds of factors have a name in every language, and so has whoever is not named.
                assert name == "factor" or translate(language, value) in written.text, (kind, name)


async def test_a_link_that_is_mailed_says_until_when_it_is_good():
    links = {LetterKind.RESET, LetterKind.EMAIL_CONFIRM, LetterKind.INVITE, LetterKind.REGISTRATION_CONFIRM}
    assert {kind for kind in LetterKind if "until" in used_by(kind)} == links


async def test_whatever_was_done_to_an_account_says_when():
    done = {kind for kind in LetterKind if {"at", "device", "address"} <= used_by(kind)}
    assert done >= {
        LetterKind.NEW_DEVICE,
        LetterKind.PASSWORD_CHANGED,
        LetterKind.EMAIL_CHANGED,
        LetterKind.FACTOR_ADDED,
        LetterKind.FACTOR_REMOVED,
        LetterKind.PROVIDER_CONNECTED,
        LetterKind.PROVIDER_DISCONNECTED,
        LetterKind.ACCOUNT_DELETED,
        LetterKind.RECOVERY_CODE_USED,
        LetterKind.PASSKEY_REFUSED,
        LetterKind.RESET,
    }
