"""What may not stand together about accounts: second factors, passkeys, recovery, mail."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from doorward.config.finding import Finding
from doorward.config.names import is_address, is_local, is_within
from doorward.config.providers import build_providers, list_entries
from doorward.config.schema import Config
from doorward.config.suffixes import is_shared_suffix
from doorward.rules.span import format_span

_LONGEST_GRACE: Final = timedelta(days=90)
_SHORTEST_LINK: Final = timedelta(minutes=5)
_LONGEST_LINK: Final = timedelta(days=1)
_LONGEST_MAIL: Final = timedelta(seconds=90)


def check_accounts(config: Config) -> Iterator[Finding]:
    """Problems, with which nothing may start."""
    yield from _check_grace(config)
    yield from _check_passkeys(config)
    yield from _check_recovery(config)
    yield from _check_mail(config)


def note_accounts(config: Config) -> Iterator[Finding]:
    """What an operator should know."""
    yield from _note_passkeys(config)
    yield from _note_registration(config)
    yield from _note_mail(config)


def _check_grace(config: Config) -> Iterator[Finding]:
    grace = config.mfa.grace
    if grace is not None and grace > _LONGEST_GRACE:
        yield Finding("mfa.grace", f"{format_span(grace)} is too long to protect anybody", "at most 90d")


def _check_passkeys(config: Config) -> Iterator[Finding]:
    """Browsers refuse a name that is not theirs, so nobody could use a passkey (attack G03)."""
    rp_id, host = config.webauthn.rp_id, config.server.public_host
    if rp_id is not None and is_shared_suffix(rp_id):
        yield Finding(
            "webauthn.rp_id",
            f"under {rp_id} strangers have names of their own; browsers refuse such a name",
            f"use a name of yours below it, such as home.{rp_id}",
        )
    elif rp_id is not None and not is_within(rp_id, host):
        yield Finding(
            "webauthn.rp_id",
            f"the address of this gateway, {host}, is not within {rp_id}, so browsers would refuse every passkey",
            "leave it out, or write a parent of that host",
            ("server.public_url",),
        )
    for position, origin in enumerate(config.webauthn.origins):
        name = urlsplit(origin).hostname or ""
        if not is_within(config.rp_id, name):
            yield Finding(
                f"webauthn.origins[{position}]",
                f"{name} is not within {config.rp_id}, the name that passkeys are bound to",
                "set webauthn.rp_id to the parent they share",
                ("webauthn.rp_id", "server.public_url"),
            )
        elif not origin.startswith("https:") and not is_local(name):
            yield Finding(f"webauthn.origins[{position}]", "browsers use passkeys over https only", "write https://")


def _note_passkeys(config: Config) -> Iterator[Finding]:
    host = config.server.public_host
    reason = ""
    if is_address(host):
        reason = f"browsers use no passkeys at an address such as {host}"
    elif not config.server.is_https and not is_local(host):
        reason = "browsers use passkeys over https only"
    for position, rule in enumerate(config.authz.rules):
        if reason and rule.require is not None and rule.require.passkey:
            hint = "give server.public_url a name and https"
            yield Finding(f"authz.rules[{position}].require", f"nobody can show a passkey: {reason}", hint)


def _check_recovery(config: Config) -> Iterator[Finding]:
    span = config.recovery.link_ttl
    if span < _SHORTEST_LINK:
        yield Finding("recovery.link_ttl", f"{format_span(span)} is too short for a mail to arrive", "at least 5m")
    elif span > _LONGEST_LINK:
        yield Finding("recovery.link_ttl", f"{format_span(span)} is too long for what opens an account", "at most 1d")


def _note_registration(config: Config) -> Iterator[Finding]:
    registration = config.registration
    if registration.mode == "open" and not registration.approval:
        hint = "`registration.approval: true` lets an administrator look first"
        yield Finding("registration.mode", "anyone who can open the sign-in page can make an account", hint)
    if registration.approval and registration.mode == "closed":
        yield Finding("registration.approval", "it has no effect: nobody can make an account for themselves", calm=True)
    if registration.mode in {"closed", "invite"}:
        yield from _note_provision(config)
    if registration.mode == "oidc_auto" and not (config.authn.provider or config.authn.providers):
        hint = "add one under authn.providers, or in the console"
        yield Finding("registration.mode", "no provider is set in this file whose people could get an account", hint)


def _note_provision(config: Config) -> Iterator[Finding]:
    who = "nobody new" if config.registration.mode == "closed" else "nobody new without an invitation"
    for (place, entry), provider in zip(list_entries(config), build_providers(config), strict=True):
        if provider.auto_provision:
            message = f"it has no effect: registration.mode is {config.registration.mode}, so {who} gets an account"
            hint = "registration.mode: oidc_auto lets providers make accounts, and nobody else"
            yield Finding(f"{place}.auto_provision", message, hint, calm=entry.auto_provision is None)


def _check_mail(config: Config) -> Iterator[Finding]:
    mail = config.mail
    if mail.is_on and mail.sender is None:
        hint = "write Doorward <doorward@example.com>"
        yield Finding("mail.sender", "a mail must be from somebody", hint, ("mail.host",))
    if mail.username and mail.password is None:
        yield Finding("mail.password", "there is a user name, but no password", "give it in a file: password_file")
    if mail.password is not None and not mail.username:
        yield Finding("mail.username", "there is a password, but no user name", "give both, or none")
    if mail.password is not None and mail.security == "none" and not is_local(mail.host):
        yield Finding(
            "mail.security",
            "the password would travel readably",
            "write starttls or tls",
            ("mail.password", "mail.host"),
        )
    if mail.timeout > _LONGEST_MAIL:
        yield Finding("mail.timeout", f"{format_span(mail.timeout)} would hold up the mails after it", "at most 90s")


def _note_mail(config: Config) -> Iterator[Finding]:
    mail = config.mail
    if not mail.is_on:
        if mail != type(mail)():
            yield Finding("mail", "it has no effect: mail.host is not set, so no mail is sent", "set mail.host")
        return
    if mail.security == "none" and not is_local(mail.host):
        message = f"DANGER: links that open accounts travel readably to {mail.host}"
        yield Finding("mail.security", message, "write starttls or tls")
    if mail.security == "none" and mail.ca_file:
        yield Finding(
            "mail.ca_file", "it has no effect: nothing is encrypted", "write starttls or tls in mail.security"
        )
