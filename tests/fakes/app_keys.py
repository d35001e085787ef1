"""Keys for apps, connected to a town: its `policy`, its `key_terms`, and a hasher that tells how often it worked."""

from ipaddress import ip_network

from doorward.flows.app_keys import AppKeys
from doorward.flows.key_uses import KeyUses
from doorward.rules.key_wish import KeyTerms, KeyWish
from doorward.rules.policy import App, Audience, Effect, HostPattern, Policy, Rule

WIKI = App("Wiki", (HostPattern("wiki.example.test"),))
NAS = App("NAS", (HostPattern("nas.example.test"),))
FEEDS = App("Feeds", (HostPattern("feeds.example.test", below=True, apex=False),), url_keys=True)
VAULT = App("Vault", (HostPattern("vault.example.test"),))
PERSONS = App("Persons", (HostPattern("persons.example.test"),), keys=False)
POLICY = Policy(
    [
        Rule("wiki", Effect.ALLOW, WIKI.hosts, audience=Audience.ANY_USER),
        Rule("nas", Effect.ALLOW, NAS.hosts, groups=frozenset({"family"}), networks=(ip_network("10.0.0.0/8"),)),
        Rule("feeds", Effect.ALLOW, FEEDS.hosts, audience=Audience.ANYONE),
        Rule("vault", Effect.ALLOW, VAULT.hosts, audience=Audience.ANY_USER),
        Rule("persons", Effect.ALLOW, PERSONS.hosts, audience=Audience.ANY_USER),
        Rule("shut", Effect.DENY, VAULT.hosts, users=frozenset({"alice"})),
    ],
    apps=[WIKI, NAS, FEEDS, VAULT, PERSONS],
)


class FakeKeyHasher:
    """`flows.app_keys.KeyHasher`."""

    def __init__(self):
        self.work = 0

    async def hash_key(self, secret):
        self.work += 1
        return f"bcrypt:{secret.hex()}"

    async def verify_key(self, secret, hashed):
        self.work += 1
        return hashed == f"bcrypt:{secret.hex()}"


def connect_app_keys(town, **changes):
    """Flows of keys; the town keeps what they stand on."""
    if not hasattr(town, "policy"):
        town.policy = POLICY
    town.key_hasher = FakeKeyHasher()

    async def notify(*letter):
        await town.notify(*letter)

    return {
        "app_keys": AppKeys(
            records=town.store.records,
            throttle=town.throttle,
            keyring=town.keyring,
            random=town.random,
            hasher=town.key_hasher,
            notify=notify,
            tally=town.tally,
            policy=lambda: town.policy,
            draw_qr=lambda text, title: f"<svg><title>{title}</title>{len(text)}</svg>",
            **{"terms": KeyTerms(), **changes},
        ),
        "key_uses": KeyUses(
            records=town.store.records, keyring=town.keyring, alarm=town.alarm, notify=notify, log=town.log
        ),
    }


def a_wish(name="Phone", **changes):
    return KeyWish(**{"name": name, "apps": ("Wiki",), **changes})
