"""What the flows answer: values, matched exhaustively by whoever shows them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from doorward.rules import oidc
from doorward.rules.factor import Factor
from doorward.rules.identity import User
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.provider import Provider
from doorward.rules.session import Session
from doorward.rules.upstream import Identity


@dataclass(frozen=True, slots=True)
class Started:
    """A sign-in is under way.

    `token` goes into the form (hidden field) and comes back with it; every step has one of its own. `account` is set
    where it is known who may answer: for a step-up, whose page shows the name fixed, and after the first proof.
    `demand` says which of its ways will do. `return_url` is where it will lead (absolute, vetted), empty for the list
    of apps; `return_refused` says that a return address was given and refused (D18).

    `factors` are what may answer a second proof; none of them: the account has no factor that would do. `passkey`:
    whether a passkey may answer this step. `may_postpone`: enrolment may be put off, until `enrol_by` at the latest.
    """

    token: str
    step: Step
    return_url: str
    return_refused: bool
    account: User | None
    demand: Demand = Demand.SIGN_IN
    factors: frozenset[Factor] = frozenset()
    passkey: bool = False
    may_postpone: bool = False
    enrol_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Continued:
    """Right so far, and there is more to do. Nothing is open yet."""

    started: Started


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Done. `cookie` is the session cookie's value, `device` the device marker's; both are set on this answer.

    `return_url` is absolute and vetted, empty for the list of apps. `session.expires_at` is the cookie's end where
    `session.remembered`.
    """

    user: User
    session: Session
    cookie: str
    device: str
    return_url: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not done. `retry_after` is zero unless waiting helps (LOCKED, THROTTLED: answer 429 with Retry-After)."""

    failure: Failure
    retry_after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Departed:
    """The browser is to go to the provider, at `url`."""

    url: str


@dataclass(frozen=True, slots=True)
class Linked:
    """The account at the provider is connected to the one signed in."""

    provider: Provider
    identity: Identity


@dataclass(frozen=True, slots=True)
class UpstreamRefused:
    """The round trip came to nothing. `provider` is None where nobody can tell which it was.

    `return_url` (vetted, "" for none) is where trying again leads; `linking` and `confirming` say what it was for.
    """

    failure: oidc.Failure
    provider: Provider | None = None
    return_url: str = ""
    retry_after: timedelta = timedelta(0)
    linking: bool = False
    confirming: bool = False


@dataclass(frozen=True, slots=True)
class OpenWays:
    """The ways of signing in that are open, to everybody or to one account. Never none of them.

    `straight` is the provider to go to without asking first, None where the visitor chooses.
    """

    password: bool
    providers: tuple[Provider, ...]
    straight: Provider | None = None


@dataclass(frozen=True, slots=True)
class Unacceptable:
    """What was typed cannot be used; each problem is a sentence under the name of its field.

    Fields: `name`, `display_name`, `email`, `password`, `password_again`, `groups`.
    """

    problems: tuple[tuple[str, str], ...]
