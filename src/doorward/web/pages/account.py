"""My account: who I am here, and how I can sign in."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from doorward.errors import ConflictError, NotFoundError
from doorward.flows.factors import Factors
from doorward.flows.identities import Identities
from doorward.flows.outcome import UpstreamRefused
from doorward.flows.upstream import UpstreamSignIn
from doorward.flows.ways import Ways
from doorward.rules.provider import Provider, ProviderId
from doorward.rules.upstream import Identity, IdentityId
from doorward.web.form import Form
from doorward.web.pages.admit import admit_shown
from doorward.web.pages.desk import Desk
from doorward.web.pages.proof import is_proven
from doorward.web.pages.provider_icons import neutral_icon, provider_icon
from doorward.web.pages.round_trip import show_refused
from doorward.web.visit import Visit

_NOTES: Final = {
    "connected": ("good", "Connected. From now on you can sign in with it, too."),
    "disconnected": ("good", "Disconnected. Whoever was signed in with it has to sign in another way."),
    "gone": ("good", "That was disconnected already."),
    "last": (
        "warn",
        "That is the only way you can sign in, so it stays. Connect another first, or ask for a password.",
    ),
}


@dataclass(frozen=True, slots=True)
class Connection:
    """An identity as pages show it. `offered`: its provider can be used now."""

    id: str
    provider: str
    icon: Markup
    account: str
    linked_at: datetime
    used_at: datetime | None
    groups: list[str]
    is_admin: bool
    offered: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider that can be connected."""

    id: str
    name: str
    icon: Markup


class AccountPage:
    """`/account`, `/account/link` and `/account/unlink`."""

    def __init__(
        self, desk: Desk, ways: Ways, upstream: UpstreamSignIn, identities: Identities, factors: Factors
    ) -> None:
        self._desk = desk
        self._ways = ways
        self._upstream = upstream
        self._identities = identities
        self._factors = factors

    async def get(self, visit: Visit) -> Response:
        """Show it."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        user = visit.subject.user
        providers = await self._ways.list_all()
        identities = await self._identities.list_own(visit.subject)
        connected = {identity.issuer for identity in identities}
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "account.html",
            here="account",
            user=user,
            own_groups=sorted(user.groups),
            granted_groups=sorted(user.granted_groups - user.groups),
            password_open=(await self._ways.describe_password()).open,
            has_password=(await self._ways.find(user=user)).password,
            connections=connections_of(identities, providers),
            offers=[
                Offer(provider.id, provider.name, provider_icon(provider))
                for provider in providers
                if provider.enabled and provider.issuer not in connected
            ],
            asks_first=not is_proven(visit.subject.session, visit.now),
            neutral=neutral_icon(),
            note=note,
            note_kind=kind,
        )

    async def post_link(self, visit: Visit, form: Form) -> Response:
        """Set out to connect a provider."""
        subject = await admit_shown(self._desk, visit, form, "/account", self._factors)
        if isinstance(subject, Response):
            return subject
        chosen = form.get("provider", "")
        # The ticket is bound to the browser; its cookie may have gone though the sign-in's is there.
        self._desk.know_browser(visit)
        outcome = await self._upstream.depart_to_link(subject, visit.visitor, provider=chosen, now=visit.now)
        if isinstance(outcome, UpstreamRefused):
            return show_refused(self._desk, visit, outcome)
        provider = await self._ways.find_provider(chosen)
        name = provider.name if provider else "the provider"
        return self._desk.lead_out(visit, outcome.url, title="Connecting %(name)s", name=name)

    async def post_unlink(self, visit: Visit, form: Form) -> Response:
        """Disconnect one."""
        subject = await admit_shown(self._desk, visit, form, "/account", self._factors)
        if isinstance(subject, Response):
            return subject
        done = "disconnected"
        try:
            await self._identities.unlink(subject, IdentityId(form.get("identity", "")), visit.visitor, now=visit.now)
        except ConflictError:
            done = "last"
        except NotFoundError:
            done = "gone"
        return self._desk.redirect(visit, f"/account?done={done}")


def connections_of(identities: Iterable[Identity], providers: Iterable[Provider]) -> list[Connection]:
    """Identities with the names and drawings of their providers, as far as those are still known."""
    known: dict[ProviderId, Provider] = {provider.id: provider for provider in providers}
    return [_connection(identity, known.get(identity.provider)) for identity in identities]


def _connection(identity: Identity, provider: Provider | None) -> Connection:
    return Connection(
        id=identity.id,
        provider=provider.name if provider else identity.issuer,
        icon=provider_icon(provider) if provider else neutral_icon(),
        account=identity.email or identity.name or identity.subject,
        linked_at=identity.linked_at,
        used_at=identity.used_at,
        groups=sorted(identity.groups),
        is_admin=identity.is_admin,
        offered=provider is not None and provider.enabled,
    )
