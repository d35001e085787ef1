"""A bench to pair devices at: three apps, of which not everybody may open each, and keys as the house makes them."""

from doorward.flows.app_keys import AppKeys
from doorward.flows.pairing import Begun, PairingTerms
from doorward.rules.key_wish import KeyTerms, KeyWish
from doorward.rules.policy import App, Audience, Effect, HostPattern, Policy, Rule
from doorward.rules.session import Subject
from tests.fakes.flows import a_visitor
from tests.fakes.pairing import connect_pairing

PHONE = a_visitor("198.51.100.9", browser="", user_agent="Dart/3.3 (dart:io)")
BROWSER = a_visitor()
WISH = KeyWish("Phone", apps=("wiki",))


def a_policy(*more):
    """`Home Assistant` and `wiki` are for whoever is signed in, `vault` for root alone."""
    everybody = (HostPattern("home.example.test"), HostPattern("wiki.example.test"))
    vault = (HostPattern("vault.example.test"),)
    rules = (
        Rule("everybody", Effect.ALLOW, everybody, audience=Audience.ANY_USER),
        Rule("vault", Effect.ALLOW, vault, users=frozenset({"root"})),
        *more,
    )
    apps = (App("Home Assistant", everybody[:1]), App("wiki", everybody[1:]), App("vault", vault))
    return Policy(rules, apps=apps)


class Bench:
    """A town with pairing; `policy` may be changed at any time."""

    def __init__(self, town, *, terms=PairingTerms(), key_terms=KeyTerms()):  # noqa: B008 -- frozen values
        self.town = town
        self.policy = a_policy()
        self.keys = AppKeys(
            records=town.store.records,
            throttle=town.throttle,
            keyring=town.keyring,
            random=town.random,
            hasher=town.key_hasher,
            notify=town.notify,
            tally=town.tally,
            policy=lambda: self.policy,
            terms=key_terms,
            draw_qr=lambda text, title: f"<svg><title>{title}</title>{len(text)}</svg>",
        )
        self.pairing = connect_pairing(town, self.keys, terms, lambda: self.policy)

    @property
    def made(self):
        """The keys there are."""
        return list(self.town.store.state.app_keys.values())

    async def sign_in(self, name="alice", **changes):
        await self.town.add_user(name, **changes)
        entered = await self.town.enter(name)
        return Subject(entered.user, entered.session)

    async def begin(self, client="Wiki Reader", scope="", visitor=PHONE):
        begun = await self.pairing.begin(client, scope, visitor, now=self.town.now)
        assert isinstance(begun, Begun), begun
        return begun

    async def fetch(self, begun, client="Wiki Reader", visitor=PHONE):
        return await self.pairing.fetch(begun.device_code, client, visitor, now=self.town.now)

    async def look(self, subject, begun, visitor=BROWSER):
        return await self.pairing.look(subject, begun.user_code, visitor, now=self.town.now)

    async def approve(self, subject, begun, wish=WISH, visitor=BROWSER):
        return await self.pairing.approve(subject, begun.user_code, wish, visitor, now=self.town.now)

    async def refuse(self, subject, begun, visitor=BROWSER):
        return await self.pairing.refuse(subject, begun.user_code, visitor, now=self.town.now)
