"""The flows, connected to each other and to the world."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from doorward.app.alerts import build_alert_desk, build_lookout
from doorward.app.app_keys import build_app_keys, build_key_uses
from doorward.app.app_secrets import connect_app_secrets
from doorward.app.assertion import connect_minter
from doorward.app.audit import build_trail, build_watch
from doorward.app.backup import connect_backups
from doorward.app.importing import connect_importing
from doorward.app.incident import connect_break_glass, connect_lockdowns
from doorward.app.pairing import build_pairing
from doorward.app.parts import Parts
from doorward.app.privacy import build_decisions, build_erasure, build_retention
from doorward.app.rotation import connect_signing_keys
from doorward.app.settings import limits_of, mfa_terms_of, open_mailer, open_passkeys, terms_of, trust_of, unasked_of
from doorward.flows.accepting import PasswordRules
from doorward.flows.account import Account
from doorward.flows.admin import Administration
from doorward.flows.asserted import AssertedSignIn
from doorward.flows.bundle import Flows
from doorward.flows.enrolment import Enrolment
from doorward.flows.evidence import Evidence
from doorward.flows.factors import Factors
from doorward.flows.finishing import Finishing
from doorward.flows.identities import Identities
from doorward.flows.invites import Invites
from doorward.flows.letters import tell
from doorward.flows.login import SignIn
from doorward.flows.logout import SignOut
from doorward.flows.methods.passkey import PasskeyMethod
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.methods.recovery_code import RecoveryCodeMethod
from doorward.flows.methods.totp import TotpMethod
from doorward.flows.methods.upstream import UpstreamMethod
from doorward.flows.newcomers import Newcomers
from doorward.flows.offers import Offers
from doorward.flows.opening import Opening
from doorward.flows.owing import Owing
from doorward.flows.own_record import OwnRecord
from doorward.flows.policies import Policies
from doorward.flows.post import Post
from doorward.flows.profile import Profile
from doorward.flows.providers import Providers
from doorward.flows.proving import Methods
from doorward.flows.recovery import Recovery
from doorward.flows.registration import Registration
from doorward.flows.safekeeping import Safekeeping
from doorward.flows.settling import Settling
from doorward.flows.setup import Setup
from doorward.flows.throttle import Throttle
from doorward.flows.turnstile import Turnstile
from doorward.flows.upstream import UpstreamSignIn
from doorward.flows.upstream_logout import UpstreamLogout
from doorward.flows.vouching import Vouching
from doorward.flows.ways import Ways
from doorward.interfaces import Transaction
from doorward.outside.letters.renderer import LetterWriter
from doorward.outside.qr import draw_qr
from doorward.outside.wordlist import is_common_password
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind
from doorward.rules.mfa import MfaTerms
from doorward.rules.password import PasswordPolicy
from doorward.rules.redirect import parse_return_url
from doorward.rules.registration import Mode


def connect_flows(parts: Parts) -> Flows:
    """Make every flow, once."""
    config, policy, clock, random, log = parts.config, parts.policy, parts.clock, parts.random, parts.log
    keyring, storage, sessions, live = parts.keyring, parts.storage, parts.sessions, parts.live
    hasher, upstream, counts, signing_key = parts.hasher, parts.upstream, parts.counts, parts.signing_key
    public_url = config.server.public_url

    def mfa_terms() -> MfaTerms:
        return mfa_terms_of(config)

    def mode_in_file() -> Mode:
        return Mode(config.registration.mode)

    password = PasswordMethod(records=storage.records, hasher=hasher, keyring=keyring)
    rules = PasswordRules(PasswordPolicy(config.password.min_length), is_common_password)
    device_key = keyring.derive("device-marker")
    opening = Opening(
        sessions=sessions, random=random, signing_key=signing_key, device_key=device_key, terms=terms_of(config)
    )
    throttle = Throttle(
        counters=storage.counters,
        limits=limits_of(config),
        name_key=keyring.derive("login-names"),
        device_key=device_key,
    )
    ways = Ways(
        records=storage.records,
        keyring=keyring,
        log=log,
        file_providers=lambda: policy.providers,
        password_in_file=lambda: config.authn.password,
        straight=lambda: config.authn.straight,
        header=config.authn.trusted_header.name,
    )

    def parse_return(text: str) -> str:
        return parse_return_url(text, public_url=public_url, is_known_host=policy.knows_host)

    async def notify(
        transaction: Transaction, kind: LetterKind, user: User, values: Mapping[str, str], now: datetime
    ) -> None:
        await tell(post, transaction, kind, user, now, values)

    post = Post(
        records=storage.records,
        mailer=open_mailer(config, clock),
        letters=LetterWriter(public_url),
        keyring=keyring,
        random=random,
        host=config.server.public_host,
        log=log,
        keep_for=config.retention.letters,
    )
    newcomers = Newcomers(
        mode_in_file=mode_in_file,
        approval=lambda: config.registration.approval,
        outbox=post,
        public_url=public_url,
    )
    trail = build_trail(parts)
    owing = Owing(terms=mfa_terms)
    vouching = Vouching(records=storage.records, keyring=keyring, find_provider=ways.find_provider)
    lookout = build_lookout(parts)
    finishing = Finishing(
        records=storage.records,
        tickets=storage.tickets,
        opening=opening,
        owing=owing,
        vouching=vouching,
        notify=notify,
        lookout=lookout,
        random=random,
        tally=counts,
        parse_return=parse_return,
        ticket_lifetime=config.authn.state_ttl,
    )
    methods = Methods(
        password=password,
        totp=TotpMethod(keyring=keyring),
        recovery_code=RecoveryCodeMethod(keyring=keyring, notify=notify),
        passkey=PasskeyMethod(
            passkeys=open_passkeys(config),
            keyring=keyring,
            notify=notify,
            must_verify=config.webauthn.verify == "required",
        ),
    )
    evidence = Evidence(
        records=storage.records,
        throttle=throttle,
        finishing=finishing,
        clock=clock,
        pause=asyncio.sleep,
        tally=counts,
    )
    factors = Factors(
        records=storage.records,
        offers=Offers(tickets=storage.tickets, keyring=keyring, random=random),
        throttle=throttle,
        evidence=evidence,
        totp=methods.totp,
        passkey=methods.passkey,
        recovery_code=methods.recovery_code,
        random=random,
        notify=notify,
        demands=owing.demands,
        draw_qr=draw_qr,
        issuer=config.totp_issuer,
    )
    sign_in = SignIn(
        records=storage.records,
        tickets=storage.tickets,
        throttle=throttle,
        opening=opening,
        finishing=finishing,
        methods=methods,
        rules=rules,
        notify=notify,
        parse_return=parse_return,
        clock=clock,
        pause=asyncio.sleep,
        random=random,
        tally=counts,
        is_password_open=ways.is_password_open,
    )
    backups, restoring = connect_backups(parts)
    app_keys = build_app_keys(parts, throttle, notify)
    return Flows(
        sign_in=sign_in,
        asserted=AssertedSignIn(
            records=storage.records,
            throttle=throttle,
            finishing=finishing,
            sign_in=sign_in,
            tally=counts,
            header=config.authn.trusted_header.name,
        ),
        upstream=UpstreamSignIn(
            records=storage.records,
            tickets=storage.tickets,
            throttle=throttle,
            opening=opening,
            method=UpstreamMethod(upstream=upstream, keyring=keyring, public_url=public_url),
            settling=Settling(
                records=storage.records,
                finishing=finishing,
                random=random,
                trust=lambda: trust_of(config),
                demands=owing.demands,
                newcomers=newcomers,
                is_spoken_of=policy.names_user,
            ),
            finishing=finishing,
            vouching=vouching,
            find_provider=ways.find_provider,
            parse_return=parse_return,
            random=random,
            tally=counts,
            log=log,
            ticket_lifetime=config.authn.state_ttl,
        ),
        ways=ways,
        identities=Identities(records=storage.records, find_ways=ways.find, notify=notify),
        upstream_logout=UpstreamLogout(
            records=storage.records,
            upstream=upstream,
            throttle=throttle,
            find_provider=ways.find_provider,
            tally=counts,
            log=log,
            state_ttl=config.authn.state_ttl,
        ),
        providers=Providers(
            records=storage.records,
            keyring=keyring,
            ways=ways,
            upstream=upstream,
            public_url=public_url,
            find_mode=newcomers.find_mode,
        ),
        sign_out=SignOut(
            records=storage.records,
            sessions=sessions,
            keyring=keyring,
            upstream=upstream,
            find_provider=ways.find_provider,
            return_url=f"{public_url}/signed-out",
            log=log,
        ),
        setup=Setup(
            records=storage.records,
            tickets=storage.tickets,
            go_on=sign_in.continue_as,
            password=password,
            rules=rules,
            random=random,
            console_only=config.registration.first_user == "console_only",
        ),
        enrolment=Enrolment(finishing=finishing, factors=factors),
        factors=factors,
        account=Account(records=storage.records, sessions=sessions, live=live),
        administration=Administration(
            records=storage.records,
            sessions=sessions,
            password=password,
            rules=rules,
            random=random,
            demands=owing.demands,
            outbox=post,
        ),
        profile=Profile(
            records=storage.records,
            tickets=storage.tickets,
            throttle=throttle,
            evidence=evidence,
            opening=opening,
            password=password,
            rules=rules,
            outbox=post,
            clock=clock,
            pause=asyncio.sleep,
            random=random,
            tally=counts,
            public_url=public_url,
        ),
        own_record=OwnRecord(
            records=storage.records, sessions=sessions, keyring=keyring, throttle=throttle, tally=counts
        ),
        registration=Registration(
            records=storage.records,
            tickets=storage.tickets,
            throttle=throttle,
            password=password,
            rules=rules,
            go_on=sign_in.continue_as,
            outbox=post,
            clock=clock,
            pause=asyncio.sleep,
            random=random,
            tally=counts,
            public_url=public_url,
            newcomers=newcomers,
            is_spoken_of=policy.names_user,
            is_password_open=ways.is_password_open,
        ),
        invites=Invites(records=storage.records, random=random, outbox=post, public_url=public_url),
        recovery=Recovery(
            records=storage.records,
            tickets=storage.tickets,
            throttle=throttle,
            go_on=sign_in.continue_as,
            outbox=post,
            clock=clock,
            pause=asyncio.sleep,
            random=random,
            tally=counts,
            public_url=public_url,
            is_password_open=ways.is_password_open,
            lifetime=config.recovery.link_ttl,
        ),
        policies=Policies(
            records=storage.records,
            sessions=sessions,
            mfa_terms=mfa_terms,
            mode_in_file=mode_in_file,
            unasked=lambda: unasked_of(config),
        ),
        post=post,
        alert_desk=build_alert_desk(parts, post),
        lookout=lookout,
        turnstile=Turnstile(throttle=throttle, tally=counts),
        audit=trail,
        audit_watch=build_watch(parts, trail),
        importing=connect_importing(parts, outbox=post),
        backups=backups,
        restoring=restoring,
        break_glass=connect_break_glass(parts, opening=opening, throttle=throttle),
        safekeeping=Safekeeping(records=storage.records),
        lockdowns=connect_lockdowns(parts, opening=opening, find_ways=ways.find, notify=notify),
        signing_keys=connect_signing_keys(parts, notify),
        assertion_keys=parts.assertion_keys,
        minter=connect_minter(parts),
        decisions=build_decisions(parts),
        retention=build_retention(parts),
        erasure=build_erasure(parts, post),
        app_keys=app_keys,
        pairing=build_pairing(parts, throttle=throttle, keys=app_keys, lookout=lookout),
        key_uses=build_key_uses(parts, notify),
        app_secrets=connect_app_secrets(parts),
    )
