"""One account for everybody who comes from certain networks, without signing in (D-11).

It opens what a rule allows to that account, and nothing else: it has proven nothing, so whatever asks for a second
factor, a passkey or a recent sign-in asks for a real one; and our own pages and the API know of sessions alone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from doorward.rules.identity import User
from doorward.rules.policy import Address, Network, in_networks
from doorward.rules.session import NEVER, Fingerprint, Session, SessionHandle, Subject

_END: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SingleUser:
    """The account as a decision sees it. `proxies` are our own: their addresses are nobody's."""

    subject: Subject
    networks: tuple[Network, ...]
    proxies: tuple[Network, ...] = ()

    def stands_for(self, client: Address | None) -> bool:
        """Whether a request from this address is this account's.

        SECURITY: an address that is unknown, or a proxy's, is nobody's: behind a proxy that does not say who asks,
        everybody would be at home. tests/unit/test_single_user.py would fail.
        """
        return client is not None and in_networks(client, self.networks) and not in_networks(client, self.proxies)


def find_flaw(user: User | None) -> str:
    """Why an account cannot stand for a network; "" where it can."""
    if user is None:
        return "there is no such account"
    if user.awaits_approval:
        return "nobody has let it in yet"
    if not user.enabled:
        return "it is disabled"
    if user.administers:
        return "it is an administrator"
    if user.console_only:
        return "it is for the console only"
    if user.is_service:
        return "it is a service's, and has keys only"
    return ""


def stand_in(
    user: User | None, *, networks: tuple[Network, ...], proxies: tuple[Network, ...] = ()
) -> SingleUser | None:
    """The account in place of a sign-in; None where it must not be. It is never anybody with rights over others."""
    if user is None or find_flaw(user):
        return None
    session = Session(
        fingerprint=Fingerprint(b""),
        handle=SessionHandle("single_user"),
        user_id=user.id,
        generation=user.generation,
        created_at=NEVER,
        authenticated_at=NEVER,
        expires_at=_END,
        idle_timeout=None,
        last_seen_at=NEVER,
        methods=frozenset(),
        remembered=False,
        user_agent="",
        address="",
    )
    return SingleUser(Subject(user, session), networks, proxies)
