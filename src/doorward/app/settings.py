"""Settings as the flows and the world outside take them."""

from datetime import timedelta
from pathlib import Path

from doorward.config.providers import build_outbound
from doorward.config.schema import Config
from doorward.flows.opening import SessionTerms
from doorward.flows.policies import Unasked
from doorward.flows.throttle import BUDGETS, Bucket, Budget, LoginLimits
from doorward.interfaces import Clock, Mailer
from doorward.outside.fetch import GuardedFetch
from doorward.outside.passkeys import WebAuthn
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.throttle import LockPolicy
from doorward.rules.upstream import MfaTrust


def terms_of(config: Config) -> SessionTerms:
    """How long sign-ins last."""
    return SessionTerms(
        lifetime=config.session.ttl,
        idle_timeout=config.session.idle_timeout,
        remember_lifetime=config.session.remember_ttl,
        remember_idle_timeout=config.session.remember_idle_timeout,
    )


def limits_of(config: Config) -> LoginLimits:
    """How often what may be tried. What counts for each account besides keeps its own measure, unless set with it."""
    limits = config.limits
    lock = limits.login_failures
    by_address = {
        Bucket.OTP_VERIFY: limits.otp_verify,
        Bucket.MFA_MANAGE: limits.mfa_manage,
        Bucket.REGISTER: limits.registration,
        Bucket.INVITE: limits.invite,
        Bucket.RESET: limits.reset,
        Bucket.ADMIN: limits.admin,
        Bucket.EXPORT: limits.export,
        Bucket.DESTRUCTIVE: limits.destructive,
        Bucket.BACKUP: limits.backup,
        Bucket.IMPORT: limits.imports,
        Bucket.KEY_CREATE: limits.key_create,
        Bucket.PAIRING: limits.pairing,
    }
    alike = {Bucket.PASSWORD_CHANGE: limits.password_change, Bucket.FORGOT: limits.forgot}
    alike |= {Bucket.PAIRING_CODE: limits.pairing_code}
    return LoginLimits(
        login=limits.login,
        oidc=limits.oidc,
        only_failed=limits.count == "failed",
        lock=LockPolicy(threshold=lock.threshold, within=lock.within, first=lock.first, most=lock.most),
        budgets={bucket: Budget(windows, BUDGETS[bucket].account) for bucket, windows in by_address.items()}
        | {bucket: Budget(windows, windows) for bucket, windows in alike.items()},
    )


def trust_of(config: Config) -> MfaTrust:
    """Which words of providers stand for a second factor."""
    words = config.mfa.trust_idp
    return MfaTrust(amr=frozenset(words.amr), acr=frozenset(words.acr))


def unasked_of(config: Config) -> Unasked:
    """Who comes in without showing anything."""
    return Unasked(
        single_user=config.single_user.user,
        networks=tuple(str(network) for network in config.single_user.networks),
        header=config.authn.trusted_header.name,
        approval=config.registration.approval,
    )


def open_passkeys(config: Config) -> WebAuthn:
    """The relying party, from the configuration alone (G02, G03)."""
    return WebAuthn(rp_id=config.rp_id, rp_name=config.totp_issuer, origins=config.webauthn_origins)


def mfa_terms_of(config: Config) -> MfaTerms:
    """Who needs a second factor, as far as the file says."""
    return MfaTerms(MfaRequired(config.mfa.required), config.mfa.grace)


def open_mailer(config: Config, clock: Clock) -> Mailer | None:
    """The way to the mail server; None where no mail is set up."""
    mail = config.mail
    if not mail.is_on or mail.sender is None:
        return None
    from doorward.outside.smtp import Security, SmtpMailer, SmtpServer

    server = SmtpServer(
        host=mail.host,
        port=mail.effective_port,
        security=Security(mail.security),
        sender=mail.sender.address,
        name=config.server.public_host,
        sender_name=mail.sender.name or "Doorward",
        username=mail.username,
        password=mail.password.reveal() if mail.password is not None else "",
        ca_file=Path(mail.ca_file) if mail.ca_file else None,
        timeout=mail.timeout,
    )
    return SmtpMailer(server, clock=clock)


def find_ca(config: Config) -> Path | None:
    """The authority of what is called outside, where it is not one that everybody knows."""
    return Path(config.outbound.ca_file) if config.outbound.ca_file else None


def open_fetch(config: Config, timeout: timedelta | None = None) -> GuardedFetch:
    """What calls outside, as far as the configuration lets it. `timeout`: another than is usual."""
    timeout = config.outbound.timeout if timeout is None else timeout
    return GuardedFetch(build_outbound(config), ca_file=find_ca(config), timeout=timeout)
