"""The flows, connected to a store in memory, with neighbours that count what they are asked."""

from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from doorward.flows.accepting import PasswordRules
from doorward.flows.account import Account
from doorward.flows.admin import CLI, Administration
from doorward.flows.app_secrets import AppSecrets
from doorward.flows.asserted import AssertedSignIn
from doorward.flows.bundle import Flows
from doorward.flows.enrolment import Enrolment
from doorward.flows.evidence import Evidence
from doorward.flows.factors import Factors
from doorward.flows.finishing import Finishing
from doorward.flows.identities import Identities
from doorward.flows.invites import Invites
from doorward.flows.login import SignIn
from doorward.flows.logout import SignOut
from doorward.flows.methods.passkey import PasskeyMethod
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.methods.recovery_code import RecoveryCodeMethod
from doorward.flows.methods.totp import TotpMethod
from doorward.flows.methods.upstream import UpstreamMethod
from doorward.flows.newcomers import Newcomers
from doorward.flows.offers import Offers
from doorward.flows.opening import Opening, SessionTerms
from doorward.flows.outcome import Departed, OpenWays, SignedIn, Started
from doorward.flows.owing import Owing
from doorward.flows.own_record import OwnRecord
from doorward.flows.policies import Policies
from doorward.flows.post import Post
from doorward.flows.profile import Profile
from doorward.flows.providers import Providers
from doorward.flows.proving import Methods
from doorward.flows.recovery import Recovery
from doorward.flows.registration import Registration
from doorward.flows.settling import Settling
from doorward.flows.setup import Setup
from doorward.flows.signing_keys import SigningKeys
from doorward.flows.throttle import LoginLimits, Throttle
from doorward.flows.turnstile import Turnstile
from doorward.flows.upstream import Callback, UpstreamSignIn
from doorward.flows.upstream_logout import UpstreamLogout
from doorward.flows.visitor import Visitor, hash_browser
from doorward.flows.vouching import Vouching
from doorward.flows.ways import Ways
from doorward.outside.letters.renderer import LetterWriter
from doorward.outside.passkeys import WebAuthn
from doorward.rules import envelope
from doorward.rules.login import Demand
from doorward.rules.mfa import MfaTerms
from doorward.rules.password import PasswordPolicy
from doorward.rules.policy import Policy
from doorward.rules.redirect import parse_return_url
from doorward.rules.registration import Mode
from doorward.rules.session import Fingerprint
from doorward.rules.token import read_cookie
from doorward.rules.upstream import MfaTrust
from tests.fakes.alarm import connect_alerts, connect_lookout
from tests.fakes.app_keys import connect_app_keys
from tests.fakes.assertions import connect_assertions
from tests.fakes.backups import connect_backups
from tests.fakes.importing import connect_importing
from tests.fakes.incident import connect_incident
from tests.fakes.keeping import connect_keeping
from tests.fakes.neighbours import FakeHasher, FakeKeyring, FakeLog, FakePause, FakeTally
from tests.fakes.pairing import connect_pairing
from tests.fakes.records import FakeStore
from tests.fakes.system import FakeClock, FakeRandom
from tests.fakes.upstream import FakeUpstream, a_provider, somebody

SIGNING_KEY = b"s" * 32
DEVICE_KEY = b"d" * 32
NAME_KEY = b"n" * 32
GOOD = "Tr4vel-by-Night!"
OTHER = "An0ther-Long-Road?"
PUBLIC_URL = "https://auth.example.test"
HOSTS = frozenset({"app.example.test", "wiki.example.test"})


@dataclass
class Town:
    """Everything the flows stand on, and shortcuts to use them."""

    limits: LoginLimits = field(default_factory=LoginLimits)
    terms: SessionTerms = field(default_factory=SessionTerms)
    public_url: str = PUBLIC_URL
    header: str = ""
    mailer: Any = None
    """The way to a mail server; none is set up unless a test says so."""

    store: Any = field(default_factory=FakeStore)
    """Records, sessions, tickets, counters and live_view; real ones do as well."""

    def __post_init__(self):
        self.clock = FakeClock()
        self.random = FakeRandom("flows")
        self.hasher = FakeHasher()
        self.keyring = FakeKeyring()
        self.pause = FakePause(self.clock)
        self.tally = FakeTally()
        self.log = FakeLog()
        self.hosts = set(HOSTS)
        self.apps = ()
        self.upstream = FakeUpstream()
        self.providers = {"idp": a_provider()}
        self.passwords_open = True
        self.straight = "off"
        self._asks_ways = False
        self.spoken_of = set()
        self.trust = MfaTrust()
        records, sessions = self.store.records, self.store.sessions
        self.password = PasswordMethod(records=records, hasher=self.hasher, keyring=self.keyring)
        rules = PasswordRules(PasswordPolicy(), lambda text: text == "password")
        opening = Opening(
            sessions=sessions,
            random=self.random,
            signing_key=lambda: SIGNING_KEY,
            device_key=DEVICE_KEY,
            terms=self.terms,
        )
        throttle = Throttle(counters=self.store.counters, limits=self.limits, name_key=NAME_KEY, device_key=DEVICE_KEY)
        self.letters = []
        self.mfa = MfaTerms()
        self.mode, self.approval = Mode.FIRST_USER_THEN_LOCKED, False
        self.post = Post(
            records=self.store.records,
            mailer=self.mailer,
            letters=LetterWriter(self.public_url),
            keyring=self.keyring,
            random=self.random,
            host=urlsplit(self.public_url).hostname or "",
            log=self.log,
        )
        self.newcomers = Newcomers(lambda: self.mode, lambda: self.approval, self.post, self.public_url)
        self.vouching = Vouching(records=records, keyring=self.keyring, find_provider=self._find_provider)
        self.owing = Owing(terms=lambda: self.mfa)
        self.finishing = Finishing(
            records=records,
            tickets=self.store.tickets,
            opening=opening,
            owing=self.owing,
            vouching=self.vouching,
            notify=self.notify,
            lookout=connect_lookout(self),
            random=self.random,
            tally=self.tally,
            parse_return=self._parse_return,
        )
        self.methods = Methods(
            password=self.password,
            totp=TotpMethod(keyring=self.keyring),
            recovery_code=RecoveryCodeMethod(keyring=self.keyring, notify=self.notify),
            passkey=PasskeyMethod(
                passkeys=WebAuthn(rp_id="auth.example.test", rp_name="Doorward", origins=[self.public_url]),
                keyring=self.keyring,
                notify=self.notify,
            ),
        )
        self.throttle = throttle
        self.opening = opening
        self.sign_in = SignIn(
            records=records,
            tickets=self.store.tickets,
            throttle=throttle,
            opening=opening,
            finishing=self.finishing,
            methods=self.methods,
            rules=rules,
            notify=self.notify,
            parse_return=self._parse_return,
            clock=self.clock,
            pause=self.pause,
            random=self.random,
            tally=self.tally,
            is_password_open=self._is_password_open,
        )
        watched = {"records": records, "finishing": self.finishing}
        self.evidence = Evidence(**watched, throttle=throttle, clock=self.clock, pause=self.pause, tally=self.tally)
        self.factors = Factors(
            records=records,
            offers=Offers(tickets=self.store.tickets, keyring=self.keyring, random=self.random),
            throttle=throttle,
            evidence=self.evidence,
            totp=self.methods.totp,
            passkey=self.methods.passkey,
            recovery_code=self.methods.recovery_code,
            random=self.random,
            notify=self.notify,
            demands=self.owing.demands,
            draw_qr=lambda uri, title: f"<svg>{title}</svg>",
            issuer="Doorward",
        )
        self.enrolment = Enrolment(finishing=self.finishing, factors=self.factors)
        self.upstream_sign_in = UpstreamSignIn(
            records=records,
            tickets=self.store.tickets,
            throttle=throttle,
            opening=opening,
            method=UpstreamMethod(upstream=self.upstream, keyring=self.keyring, public_url=self.public_url),
            settling=Settling(
                records=records,
                finishing=self.finishing,
                random=self.random,
                trust=lambda: self.trust,
                demands=self.owing.demands,
                newcomers=self.newcomers,
                is_spoken_of=lambda name: name in self.spoken_of,
            ),
            finishing=self.finishing,
            vouching=self.vouching,
            find_provider=self._find_provider,
            parse_return=self._parse_return,
            random=self.random,
            tally=self.tally,
            log=self.log,
        )
        self.identities = Identities(records=records, find_ways=self._find_ways, notify=self.notify)
        self.ways = Ways(
            records=records,
            keyring=self.keyring,
            log=self.log,
            file_providers=lambda: tuple(self.providers.values()),
            password_in_file=lambda: self.passwords_open,
            straight=lambda: self.straight,
            header=self.header,
        )
        seen = {"records": records, "keyring": self.keyring, "upstream": self.upstream}
        self.sign_out = SignOut(
            **seen,
            sessions=sessions,
            find_provider=self._find_provider,
            return_url=f"{self.public_url}/signed-out",
            log=self.log,
        )
        self.console = Providers(**seen, ways=self.ways, public_url=self.public_url, find_mode=self.newcomers.find_mode)
        self.upstream_logout = UpstreamLogout(
            records=records,
            throttle=throttle,
            upstream=self.upstream,
            find_provider=self._find_provider,
            tally=self.tally,
            log=self.log,
        )
        made = {"password": self.password, "rules": rules, "random": self.random}
        self.setup = Setup(records=records, tickets=self.store.tickets, go_on=self.sign_in.continue_as, **made)
        self.account = Account(records=records, sessions=sessions, live=self.store.live_view)
        self.administration = Administration(records=records, sessions=sessions, demands=self.owing.demands, **made)
        keys = connect_app_keys(self)
        self.flows = Flows(
            sign_in=self.sign_in,
            upstream=self.upstream_sign_in,
            ways=self.ways,
            identities=self.identities,
            providers=self.console,
            upstream_logout=self.upstream_logout,
            sign_out=self.sign_out,
            setup=self.setup,
            account=self.account,
            administration=self.administration,
            enrolment=self.enrolment,
            factors=self.factors,
            **self._connect_accounts(rules),
            **keys,
            pairing=connect_pairing(self, keys["app_keys"]),
            **connect_incident(self),
            **connect_backups(self),
            signing_keys=SigningKeys(records=records, keyring=self.keyring, random=self.random, notify=self.notify),
            **connect_assertions(self),
            **connect_keeping(self),
            **connect_importing(self),
            app_secrets=AppSecrets(records=records, keyring=self.keyring, policy=lambda: Policy((), apps=self.apps)),
        )

    def _connect_accounts(self, rules):
        """The flows of accounts and mail."""
        going_on = {"finishing": self.finishing, "sign_in": self.sign_in}
        counted = {"throttle": self.throttle, "tally": self.tally}
        waiting = {**counted, "clock": self.clock, "pause": self.pause, "random": self.random}
        stores = {"records": self.store.records, "tickets": self.store.tickets}
        seen = {"records": self.store.records, "sessions": self.store.sessions}
        mailed = {"outbox": self.post, "public_url": self.public_url}
        secrets = {"password": self.password, "rules": rules}
        leading = {"go_on": self.sign_in.continue_as, "is_password_open": self._is_password_open}
        return {
            "post": self.post,
            "alert_desk": connect_alerts(self),
            "lookout": self.lookout,
            "asserted": AssertedSignIn(**going_on, **counted, records=self.store.records, header=self.header),
            "profile": Profile(**stores, **waiting, **mailed, **secrets, opening=self.opening, evidence=self.evidence),
            "own_record": OwnRecord(**seen, keyring=self.keyring, **counted),
            "registration": Registration(
                **stores,
                **waiting,
                **mailed,
                **secrets,
                **leading,
                newcomers=self.newcomers,
                is_spoken_of=lambda name: name in self.spoken_of,
            ),
            "invites": Invites(records=self.store.records, random=self.random, **mailed),
            "recovery": Recovery(**stores, **waiting, **mailed, **leading),
            "turnstile": Turnstile(**counted),
            "policies": Policies(**seen, mfa_terms=lambda: self.mfa, mode_in_file=lambda: self.mode),
        }

    def _parse_return(self, text):
        return parse_return_url(text, public_url=self.public_url, is_known_host=self.hosts.__contains__)

    async def notify(self, transaction, kind, user, values, now):
        """`flows.notify.Notify` that keeps what was to be said."""
        self.letters.append((kind, user.name, dict(values)))

    def consult_ways(self):
        """From now on ask the ways themselves which are open, as the house does; `passwords_open` is the file's word."""
        self._asks_ways = True

    async def _is_password_open(self):
        return await self.ways.is_password_open() if self._asks_ways else self.passwords_open

    async def _find_ways(self):
        if self._asks_ways:
            return await self.ways.find()
        return OpenWays(password=self.passwords_open, providers=tuple(p for p in self.providers.values() if p.enabled))

    async def _find_provider(self, provider_id):
        if self._asks_ways:
            return await self.ways.find_provider(provider_id)
        provider = self.providers.get(provider_id)
        return provider if provider is not None and provider.enabled else None

    @property
    def now(self):
        return self.clock.now()

    @property
    def audit(self):
        return [record.event for record in self.store.state.audit]

    def acts(self):
        return [event.act.value for event in self.audit]

    async def add_user(self, name="alice", password=GOOD, **changes):
        values = {"display_name": "", "email": f"{name}@example.test", "groups": (), "is_admin": False, **changes}
        return await self.administration.add_user(CLI, name=name, password=password, now=self.now, **values)

    async def begin(self, visitor, return_to=None, subject=None, demand=Demand.SIGN_IN):
        started = await self.sign_in.begin(visitor, return_to=return_to, now=self.now, subject=subject, demand=demand)
        assert isinstance(started, Started), started
        return started

    async def try_login(self, login, password, visitor, *, remember=False, previous=None, return_to=None):
        """Open the page and send the form."""
        started = await self.begin(visitor, return_to)
        return await self.submit(started.token, login, password, visitor, remember=remember, previous=previous)

    async def submit(self, token, login, password, visitor, *, remember=False, previous=None):
        return await self.sign_in.submit_password(
            token, visitor, login=login, password=password, remember=remember, previous=previous, now=self.now
        )

    async def enter(self, login="alice", password=GOOD, visitor=None, **more):
        """Sign in; must work."""
        outcome = await self.try_login(login, password, visitor or a_visitor(), **more)
        assert isinstance(outcome, SignedIn), outcome
        return outcome

    async def depart(self, visitor, provider="idp", *, remember=False, return_to=None, subject=None, confirm=False):
        """Open the page and press a provider's button."""
        demand = Demand.CONFIRM if confirm else Demand.STEP_UP
        started = await self.sign_in.begin(visitor, return_to=return_to, now=self.now, subject=subject, demand=demand)
        return await self.upstream_sign_in.depart(
            started.token, visitor, provider=provider, remember=remember, now=self.now
        )

    async def leave(self, visitor, provider="idp", **more):
        """`depart`, which must work: the address at the provider."""
        departed = await self.depart(visitor, provider, **more)
        assert isinstance(departed, Departed), departed
        return departed.url

    async def leave_to_link(self, subject, visitor, provider="idp"):
        """Ask to connect an account at a provider; the address there."""
        departed = await self.upstream_sign_in.depart_to_link(subject, visitor, provider=provider, now=self.now)
        assert isinstance(departed, Departed), departed
        return departed.url

    async def come_back(self, visitor, url, answer=None, *, subject=None, previous=None, **changes):
        """Sign in at the provider as `answer` says, and follow the way back."""
        state, code = self.upstream.grant(url, somebody() if answer is None else answer)
        path = urlsplit(self.upstream.departures[state].redirect_uri).path
        callback = Callback(**{"path": path, "state": state, "code": code, **changes})
        return await self.upstream_sign_in.arrive(callback, visitor, subject=subject, previous=previous, now=self.now)

    async def enter_upstream(self, answer=None, provider="idp", visitor=None, *, previous=None, **more):
        """Sign in with a provider; must work."""
        visitor = visitor or a_visitor()
        url = await self.leave(visitor, provider, **more)
        outcome = await self.come_back(visitor, url, answer, previous=previous)
        assert isinstance(outcome, SignedIn), outcome
        return outcome

    def unseal_upstream(self, noted, column):
        """A token as it was before it was sealed, "" where none is kept."""
        sealed = getattr(noted, column)
        place = envelope.Place("upstream_sessions", column, noted.handle)
        return self.keyring.unseal(place, sealed).decode() if sealed else ""

    async def check(self, signed_in):
        """What a check would find: the live subject of a cookie, or None."""
        fingerprint = read_cookie(signed_in.cookie.encode(), SIGNING_KEY)
        return await self.account.find_subject(fingerprint, now=self.now)


def a_visitor(address="203.0.113.7", browser="browser-1", device="", **changes):
    visitor = Visitor(ip_address(address), "Mozilla/5.0 (X11; Linux)", hash_browser(browser), device)
    return replace(visitor, **changes)


def fingerprint_of(signed_in) -> Fingerprint:
    return signed_in.session.fingerprint
