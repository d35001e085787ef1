"""The check: a proxy's question to an answer, without awaiting anything. Both lanes call `Gate.answer`.

Hops 2 to 6 of the journey stand inside one `try`: bad input is 400, anything else that goes wrong 503, and neither
carries an identity header. No login state is created here: the way to sign in is an address of our own.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import assert_never

from doorward.errors import InputError, UnavailableError
from doorward.interfaces import Clock, Log, Random
from doorward.rules.access import Allow, Challenge, Deny, decide
from doorward.rules.cookie import find_cookies
from doorward.rules.decision import NOBODY
from doorward.rules.guards import find_guards
from doorward.rules.names import clean_text
from doorward.rules.policy import Policy, in_networks
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest
from doorward.rules.session import Subject, find_end
from doorward.rules.single_user import SingleUser
from doorward.rules.token import read_cookie
from doorward.web.client import Trust
from doorward.web.gate.allowing import Allowing, AppSecretError
from doorward.web.gate.answer import Answer, from_wire, to_wire
from doorward.web.gate.app_answer import AppHeaders, Minter
from doorward.web.gate.check import Check, Origin, credential_of, read_origin
from doorward.web.gate.decisions import DecisionTally
from doorward.web.gate.dialect import SECRET_HEADER, Dialect, Headers, gather
from doorward.web.gate.key_reader import KeyReader, KeyRefusal, KeyTouch, Unverified
from doorward.web.gate.plain import METHODS, PLAIN_METHODS, PLAIN_SCHEMES, is_clear, is_plain, is_within
from doorward.web.gate.proxies import DIALECTS
from doorward.web.gate.refusal_log import RefusalLog
from doorward.web.gate.refuse import STATUSES, RefusalPage, Refuser
from doorward.web.gate.settings import GateSettings
from doorward.web.gate.shown import START
from doorward.web.gate.single_user import SingleUserAccount
from doorward.web.gate.table import TOUCH_EVERY, Credential, Entry, Hosts, Recalled, SessionTable, Touch
from doorward.web.gate.tally import Tally, allow_key

ANCESTOR_PATH = b"/api/auth/forwardauth"
"""The ancestor's address of the check (C-06); answered as for Traefik."""

AUTHZ_PATH = b"/api/authz/"
CHECK_PREFIXES = (ANCESTOR_PATH, b"/api/authz")
"""Nothing under these is ever answered by anything but the gate (C12)."""

PATHS: dict[bytes, Dialect] = {
    ANCESTOR_PATH: DIALECTS[0],
    **{AUTHZ_PATH + dialect.name.encode(): dialect for dialect in DIALECTS if not dialect.prefix},
}
"""Endpoints with one address, and whose they are."""


class Gate:
    """Answers checks. One per process; `policy` may be replaced at any moment (a reload)."""

    def __init__(
        self,
        *,
        policy: Policy,
        settings: GateSettings,
        trust: Trust,
        table: SessionTable,
        signing_key: Callable[[], bytes],
        clock: Clock,
        random: Random,
        log: Log,
        touch: Touch,
        key_touch: KeyTouch,
        page: RefusalPage,
        single_user: SingleUserAccount | None = None,
        keys: KeyReader | None = None,
        app_headers: AppHeaders | None = None,
        minter: Minter | None = None,
    ) -> None:
        self.policy = policy
        self.settings = settings
        self.trust = trust
        self.table = table
        self.tally = Tally()
        self.decisions = DecisionTally()
        self._plain = self.decisions.plain
        self.refusal_log = RefusalLog(log)
        self._refuser = Refuser(settings=settings, random=random, log=self.refusal_log, page=page)
        self._signing_key = signing_key
        self.clock = clock
        self._touch = touch
        self._single_user = single_user
        self.keys = keys if keys is not None else KeyReader(table)
        self._key_touch = key_touch
        self._allowing = Allowing(settings, table.minted, app_headers=app_headers, minter=minter)
        self._origins: dict[tuple[bytes, ...], Origin] = {}
        self._hosts: dict[tuple[tuple[bytes, tuple[bytes, ...]], ...], Hosts] = {}

    def answer(self, dialect: Dialect, method: bytes, target: bytes, headers: Headers, peer: str) -> Answer:
        """Answer one check. `target` follows the endpoint's own path; `peer` is the socket's address, "" for unix."""
        began = self.clock.elapsed()
        answer = self._shortcut(dialect, method, target, headers, peer)
        if answer is not None:
            key = allow_key(dialect, METHODS.get(method, "other"))
        else:
            check = Check(dialect, peer)
            answer = self._answer(check, method, target, headers)
            key = (dialect.name, check.verdict, check.reason, answer.status, METHODS.get(method, "other"))
            self._note_decision(check)
        self.tally.count(key, self.clock.elapsed() - began)
        return answer

    def find_unverified(
        self, dialect: Dialect, method: bytes, target: bytes, headers: Headers, peer: str
    ) -> Sequence[Unverified]:
        """Keys with slow hashes that have to be verified before this check is answered: by who may await that."""
        if self.keys.verify is None or not self.trust.trusts(peer):
            return ()
        fields = dict(headers)
        try:
            shown, _ = self.keys.read(fields, dialect.read(fields, method, target)[3])
            # Every check is asked this, and nearly none shows a key: the rest is for those that do.
            if not shown.keys or not self.settings.accepts_secret(dialect.name, fields.get(SECRET_HEADER, b"")):
                return ()
            client = self.trust.client_address(peer, fields.get(b"x-forwarded-for"))
            return self.keys.find_unverified(shown, client, self.clock.now())
        except Exception:  # noqa: BLE001 -- whatever it is, it is met again where an answer comes of it
            return ()

    def _shortcut(self, dialect: Dialect, method: bytes, target: bytes, headers: Headers, peer: str) -> Answer | None:
        fields = dict(headers)
        credential = credential_of(fields)
        if credential is None or len(fields) != len(headers) or not self.trust.trusts(peer) or b"upgrade" in fields:
            return None
        if not self.settings.accepts_secret(dialect.name, fields.get(SECRET_HEADER, b"")):
            return None
        try:
            question = dialect.read(fields, method, target)
        except InputError:
            return None
        wire = self.recall(dialect, peer, credential, fields.get(b"x-forwarded-for"), *question)
        return from_wire(wire) if wire is not None else None

    def recall(
        self,
        dialect: Dialect,
        peer: str,
        credential: Credential,
        chain: bytes | None,
        method: bytes,
        scheme: bytes,
        host: bytes,
        target: bytes,
    ) -> bytes | None:
        """What was asked and allowed before, as bytes; None for everything that has to be judged, whatever the cause.

        The caller has made sure of a trusted proxy and its secret, of headers that stand once, and of no upgrade.

        SECURITY: this may only ever give what judging would: a session still alive, a well-formed request, a host and
        a path where this session is allowed whatever else the request is. tests/property/test_shortcut.py compares.
        """
        now = self.clock.now()
        try:
            recalled = self.table.recall(credential)
            if recalled is None or recalled.policy is not self.policy or recalled.dialect != dialect.name:
                return None
            entry = recalled.entry
            key = entry.subject.key
            if chain != recalled.chain:
                client = self.trust.client_address(peer, chain)
                if key is not None and client not in entry.places:
                    return None  # judged, and then its use from there is handed over
                recalled.chain = chain
            if key is not None and key.networks:
                client = self.trust.client_address(peer, chain)
                if client is None or not in_networks(client, key.networks):
                    return None
        except (InputError, UnavailableError):
            return None  # judged again, and then refused
        guards = recalled.hosts.get(host)
        own = None
        if guards is None:
            own = recalled.answers.get(host)
            guards = own.guards if own is not None else None
        if (
            guards is None
            or now >= entry.plain_until
            or scheme not in PLAIN_SCHEMES
            or method not in PLAIN_METHODS
            or not is_plain(target)
            or (guards and not is_clear(target, guards))
            or (key is not None and not is_within(key, credential, method, scheme, target))
        ):
            return None
        path = target
        if b"?" in target:
            path, _, query = target.partition(b"?")
            # SECURITY: what may hold a key is judged; other spellings of it are not plain. tests/unit/test_gate_keys.py
            # would fail.
            if START in query:
                return None
        if own is None:
            wire = recalled.wire
        else:
            wire = self._allowing.repeat(own, entry.subject.session.handle, method, scheme, host, path, now)
            if not wire:
                return None
        plain = (entry.subject.user.id, host, method, path)
        span = self._plain.get(plain)
        if span is None:
            self.decisions.note_plain(plain, now)
        else:
            span.count += 1
            span.last_at = now
        return wire

    def _note_decision(self, check: Check) -> None:
        user, request, now = check.user, check.request, self.clock.now()
        user_id = NOBODY if user is None else user.id
        if request is None or not self.policy.for_host(request.host).is_known:
            # Hosts that are not ours, and what was no request, are a stranger's to make up.
            self.decisions.note(user_id, "", "", "", check.verdict, check.reason, now)
        else:
            method = METHODS.get(request.method.encode(), "other")
            self.decisions.note(user_id, request.host, method, request.path, check.verdict, check.reason, now)

    def _answer(self, check: Check, method: bytes, target: bytes, headers: Headers) -> Answer:
        policy = self.policy
        refuse = self._refuser.refuse
        try:
            check.fields = fields = gather(headers)
            if not self.trust.trusts(check.peer):
                return refuse(check, HTTPStatus.FORBIDDEN, Reason.PROXY_UNTRUSTED, policy)
            if not self.settings.accepts_secret(check.dialect.name, fields.get(SECRET_HEADER, b"")):
                return refuse(check, HTTPStatus.FORBIDDEN, Reason.PROXY_SECRET, policy)
            method, scheme, host, target = check.dialect.read(fields, method, target)
            # SECURITY: before anything else sees the address: a key in it is for nobody's log, redirect or record.
            # tests/unit/test_gate_keys.py would fail.
            check.shown, target = self.keys.read(fields, target)
            check.question = (method, scheme, host, target)
            check.client = self.trust.client_address(check.peer, fields.get(b"x-forwarded-for"))
            check.now = self.clock.now()
            return self._judge(check, policy)
        except InputError as error:
            return refuse(check, HTTPStatus.BAD_REQUEST, Reason.BAD_REQUEST, policy, detail=str(error))
        except AppSecretError as error:
            return refuse(check, HTTPStatus.SERVICE_UNAVAILABLE, Reason.APP_SECRET, policy, detail=str(error))
        except Exception as error:  # noqa: BLE001 -- whatever happens, the answer is a refusal
            return refuse(check, HTTPStatus.SERVICE_UNAVAILABLE, Reason.UNAVAILABLE, policy, detail=repr(error))

    def _judge(self, check: Check, policy: Policy) -> Answer:
        now = check.now
        check.request = request = check.canonical(self._origin(check))
        recalled = self._recognise(check, now)
        if isinstance(recalled, KeyRefusal):
            return self._refuser.refuse(check, STATUSES[recalled.reason], recalled.reason, policy, wait=recalled.wait)
        check.entry = entry = recalled.entry if recalled is not None else None
        if entry is not None and entry.subject.key is None:
            self._note_use(check, entry)
        signed_in = entry.subject if entry is not None else None
        single_user = None if self._single_user is None else self._stand_in(check, self._single_user, signed_in)
        verdict = decide(request, signed_in, policy, now=now, single_user=single_user)
        match verdict:
            case Allow(reason=reason, subject=subject):
                check.verdict, check.reason = "allow", reason
                if entry is not None and entry.subject.key is not None:
                    self._note_use(check, entry)
                if recalled is None or subject is None or check.single_user is not None or b"upgrade" in check.fields:
                    # Nothing to remember: what stands for a network is not to be had for a cookie.
                    return self._allowing.allow(check, request, subject, policy)
                return self._keep(check, recalled, policy, request)
            case Challenge(reason=Reason.NO_SESSION, rule=rule) if b"cookie" in check.fields and not check.torn:
                known = bool(find_cookies((check.fields[b"cookie"],), self.settings.cookie_name))
                reason = Reason.SESSION_UNKNOWN if known else Reason.NO_SESSION
                return self._refuser.answer(check, request, Challenge(reason, rule), policy)
            case Challenge() | Deny():
                return self._refuser.answer(check, request, verdict, policy)
            case _:
                assert_never(verdict)

    def _stand_in(self, check: Check, account: SingleUserAccount, signed_in: Subject | None) -> SingleUser | None:
        if signed_in is not None and find_end(signed_in.session, signed_in.user, check.now) is None:
            return None
        single_user = account.find()
        if single_user is not None and single_user.stands_for(check.client):
            check.single_user = single_user.subject.user
        return single_user

    def _keep(self, check: Check, recalled: Recalled, policy: Policy, request: AccessRequest) -> Answer:
        """Keep an allow, so that the next one like it need not be judged."""
        if recalled.policy is not policy or recalled.dialect != check.dialect.name:
            recalled.renew(policy, check.dialect.name)
        spelled, own = check.question[2], self._allowing.own_of(policy.app_of(request.host))
        wire = recalled.wire if own is None else b""
        if not wire:
            answer = self._allowing.allow(check, request, recalled.entry.subject, policy)
            wire = to_wire(answer, head_only=False, close=False)
            if own is None:
                recalled.wire = wire
        if spelled in (recalled.hosts if own is None else recalled.answers):
            return from_wire(wire)
        user = recalled.entry.subject.user
        found = find_guards(policy.for_host(request.host), user, policy.groups_of(user))
        if found is not None:
            guards = tuple(guard.encode() for guard in found)
            if own is None:
                known = recalled.hosts if len(recalled.hosts) < _MAX_HOSTS else {}
                recalled.hosts = self._share({**known, spelled: guards})
            else:
                self.table.hold(len(wire))
                answers = recalled.answers if len(recalled.answers) < _MAX_ANSWERS else {}
                recalled.answers = {**answers, spelled: self._allowing.part(wire, own, guards)}
        return from_wire(wire)

    def _share(self, hosts: Hosts) -> Hosts:
        # Most sessions may go to the same places: one dictionary for all is small, and in the processor's cache.
        if len(self._hosts) >= _MAX_SHARED:
            self._hosts.clear()
        return self._hosts.setdefault(tuple(hosts.items()), hosts)

    def _origin(self, check: Check) -> Origin:
        key = check.question[:3]
        origin = self._origins.get(key)
        if origin is None:
            origin = read_origin(check.question)
            if len(self._origins) >= _MAX_ORIGINS:
                self._origins.clear()
            self._origins[key] = origin
        return origin

    def _recognise(self, check: Check, now: datetime) -> Recalled | KeyRefusal | None:
        credential = check.credential
        recalled = self.table.recall(credential) if credential is not None else None
        if recalled is not None and now < recalled.entry.lives_until:
            return recalled
        entry = self._recognise_cookie(check, now)
        if check.shown.keys:
            found = self.keys.find(check.shown, check.client, now)
            if isinstance(found, KeyRefusal):
                return found
            if entry is not None and entry.subject.user.id != found.subject.user.id:
                # SECURITY: whose rights count would be a guess (K06). tests/unit/test_gate_keys.py would fail.
                return KeyRefusal(Reason.CREDENTIALS_DIFFER)
            entry = found
        if entry is None:
            return None
        return self.table.remember(credential, entry) if credential is not None else Recalled(entry)

    def _recognise_cookie(self, check: Check, now: datetime) -> Entry | None:
        cookie = check.fields.get(b"cookie")
        if cookie is None:
            return None
        values = find_cookies((cookie,), self.settings.cookie_name)
        if len(values) != 1:
            # SECURITY: two cookies of our name are none (J06): one of them was planted.
            check.torn = len(values) > 1
            return None
        fingerprint = read_cookie(values[0], self._signing_key())
        return self.table.find(fingerprint, now) if fingerprint is not None else None

    def _note_use(self, check: Check, entry: Entry) -> None:
        key = entry.subject.key
        # SECURITY: whoever has a key besides its owner must not go unseen for asking within the same minute.
        # tests/unit/test_gate_keys.py would fail.
        is_known = key is None or check.client in entry.places
        if check.now >= entry.lives_until or (is_known and check.now - entry.written_at < TOUCH_EVERY):
            return
        entry.note_written(check.now)
        agent = clean_text(check.fields.get(b"user-agent", b"").decode("utf-8", "replace"), _MAX_AGENT)
        if key is None:
            self._touch(entry.subject.session.fingerprint, check.now, agent, str(check.client or ""))
        else:
            entry.note_place(check.client)
            self._key_touch(key.id, check.now, agent, str(check.client or ""))


def find_dialect(target: bytes) -> tuple[Dialect, bytes] | None:
    """The dialect that answers this raw request target, and what follows the endpoint's path; None if there is none."""
    found = PATHS.get(target) or PATHS.get(target.partition(b"?")[0])
    if found is not None:
        return found, b""
    for prefix, dialect in _BY_PREFIX:
        if target.startswith(prefix):
            return dialect, target[len(prefix) - 1 :]
    return None


_MAX_HOSTS = 64
_MAX_ANSWERS = 16
_MAX_SHARED = 1024
_MAX_AGENT = 256
_MAX_ORIGINS = 4096
_BY_PREFIX = [(AUTHZ_PATH + dialect.name.encode() + b"/", dialect) for dialect in DIALECTS if dialect.prefix]
