"""A provider's word as a method of signing in: what goes out with the browser, and what has to come back.

Nothing of one sign-in is kept here (H05). Verifier and nonce are stored nowhere either: both follow from the state,
which only the browser knows, and a key that only we know: neither a stolen store nor a stolen address is enough.
"""

import hmac
from datetime import datetime, timedelta
from typing import Final

from doorward.flows.opening import encode
from doorward.interfaces import Keyring, Upstream
from doorward.rules.login import Demand
from doorward.rules.oidc import Arrival, Authenticated, Departure
from doorward.rules.provider import Provider
from doorward.rules.session import Method
from doorward.rules.ticket import Ticket

FLOW_KEY: Final = "upstream-flow"
_AT_ONCE: Final = timedelta(0)


class UpstreamMethod:
    """Sends browsers to providers, and has what comes back verified."""

    def __init__(self, *, upstream: Upstream, keyring: Keyring, public_url: str) -> None:
        self._upstream = upstream
        self._key = keyring.derive(FLOW_KEY)
        # SECURITY: never from a request's Host (H20). tests/unit/test_upstream_sign_in.py looks where it leads.
        self._public_url = public_url

    @property
    def method(self) -> Method:
        """`fed`."""
        return Method.UPSTREAM

    async def depart(
        self,
        provider: Provider,
        state: str,
        demand: Demand,
        *,
        max_age: timedelta | None,
        login_hint: str,
        linking: bool = False,
    ) -> str:
        """The address to send the browser to. UpstreamError where the provider cannot be used.

        `linking`: to connect an account there, so that the person must see which it is.
        """
        departure = Departure(
            redirect_uri=self._public_url + provider.callback,
            state=state,
            nonce=self._derive("nonce", state),
            verifier=self._derive("verifier", state),
            prompt=_prompt(provider, demand, linking=linking),
            max_age=max_age,
            acr_values=provider.acr_values,
            login_hint=login_hint,
        )
        return await self._upstream.depart(provider, departure)

    async def prove(
        self, provider: Provider, ticket: Ticket, *, state: str, code: str, issuer: str | None, now: datetime
    ) -> Authenticated:
        """Have the code exchanged and all of the answer verified. UpstreamError where it proves nothing."""
        max_age = ticket.state["max_age"]
        arrival = Arrival(
            redirect_uri=self._public_url + provider.callback,
            code=code,
            nonce=self._derive("nonce", state),
            verifier=self._derive("verifier", state),
            issuer=issuer,
            max_age=timedelta(seconds=int(max_age)) if max_age else None,
            began_at=ticket.created_at,
        )
        return await self._upstream.arrive(provider, arrival, now=now)

    def find_trouble(self, provider: Provider) -> str | None:
        """Why the provider cannot be used just now, as far as is known without asking it."""
        return self._upstream.find_trouble(provider)

    def _derive(self, purpose: str, state: str) -> str:
        return encode(hmac.digest(self._key, f"{purpose}:{state}".encode(), "sha256"))


def max_age_for(provider: Provider, demand: Demand) -> timedelta | None:
    """How old the sign-in at the provider may be: for a step-up, new, and it must say when it was."""
    return _AT_ONCE if demand is Demand.STEP_UP else provider.max_age


def _prompt(provider: Provider, demand: Demand, *, linking: bool) -> str:
    if provider.proves_freshness and (linking or demand is not Demand.SIGN_IN):
        return "login"
    if linking:
        # SECURITY: whoever got the browser signed in there as themselves would be connected without a question, and
        # come in as its owner from then on (H26). tests/unit/test_upstream_confirming.py looks at it.
        return " ".join(dict.fromkeys([*provider.prompt.split(), "select_account"]))
    return provider.prompt
