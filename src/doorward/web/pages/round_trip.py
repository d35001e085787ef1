"""What people read when a round trip to a provider came to nothing: prepared words, and a way on (attack H17).

Nothing the provider or the address said is repeated. What it was stands in the log, under the reference.
"""

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from doorward.flows.outcome import UpstreamRefused
from doorward.rules.oidc import Failure
from doorward.web.errors import Words
from doorward.web.pages.desk import Desk, Link, login_path
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit

_OTHER_THERE = (
    "If you have another account at %(name)s, sign out there or choose it there, and try again. Otherwise ask your "
    "administrator."
)
_LATER = "Your account is not affected. Try again in a moment, or sign in another way."
_OPERATOR = "Your account is not affected. Trying again may help; if not, tell your administrator the reference below."
_ONLY_OURS = "What %(name)s says about itself or about us does not fit. Tell your administrator the reference below."


@dataclass(frozen=True, slots=True)
class _Case:
    """`title` and `advice` may say `%(name)s`: the provider's. `again`: whether the same once more may end better.

    `is_error`: whether anything went wrong at all.
    """

    status: int
    title: str
    advice: str = ""
    again: bool = True
    is_error: bool = True


_CASES: Final = {
    Failure.STATE: _Case(
        400,
        "That did not work out",
        "Nothing happened to your account. Begin once more, in this browser; if it ends here again, the browser may be "
        "holding back our cookies.",
    ),
    Failure.THROTTLED: _Case(429, "One moment, please"),
    Failure.CANCELLED: _Case(
        400, "Nothing was changed", "You, or %(name)s for you, said no. That is all.", is_error=False
    ),
    Failure.PROVIDER_ERROR: _Case(502, "%(name)s could not finish", _OPERATOR),
    Failure.PROVIDER_GONE: _Case(
        403, "That way is closed", "An administrator has switched it off, or it never was.", again=False
    ),
    Failure.UNREACHABLE: _Case(502, "%(name)s does not answer", _LATER),
    Failure.DISCOVERY: _Case(502, "%(name)s cannot be used", _ONLY_OURS, again=False),
    Failure.CLIENT_REFUSED: _Case(502, "%(name)s cannot be used", _ONLY_OURS, again=False),
    Failure.CODE_REFUSED: _Case(502, "%(name)s did not confirm it", _OPERATOR),
    Failure.TOKEN: _Case(502, "%(name)s proved nothing", _OPERATOR),
    Failure.NOT_ALLOWED: _Case(403, "You may not sign in here", _OTHER_THERE, again=False),
    Failure.UNKNOWN: _Case(
        403,
        "We do not know you",
        "If you have an account here, sign in another way and connect %(name)s on the page Account. Otherwise ask your "
        "administrator.",
        again=False,
    ),
    Failure.ADDRESS_TAKEN: _Case(
        403,
        "You have an account here already",
        "Sign in as you did before, and connect %(name)s on the page Account. From then on both lead to one account.",
        again=False,
    ),
    Failure.INVITE_GONE: _Case(
        403, "This invitation does not open anything", "Ask whoever sent it for another.", again=False
    ),
    Failure.AWAITS_APPROVAL: _Case(
        403,
        "An administrator has to let you in first",
        "You can sign in with %(name)s as soon as that is done.",
        again=False,
        is_error=False,
    ),
    Failure.DISABLED: _Case(403, "Your account is disabled", "Only an administrator can enable it again.", again=False),
    Failure.OTHER_ACCOUNT: _Case(
        403, "That was somebody else", "Choose the right account at %(name)s; you may have to sign out there first."
    ),
    Failure.NOT_FRESH: _Case(403, "It is not confirmed that it is you", "Try again, or confirm it another way."),
    Failure.LOCKDOWN: _Case(409, "Nothing was changed", again=False),
    Failure.SIGNED_OUT: _Case(403, "%(name)s signed you out meanwhile", "Sign in again if that was not meant to be."),
}

_IN_ALREADY = _Case(
    400,
    "You are signed in already",
    "If you meant to confirm or to connect something, begin that once more where you were.",
    again=False,
    is_error=False,
)
"""For who comes upon the address of a sign-in of theirs again: with the Back button, or by loading it anew."""


def status_of(refused: UpstreamRefused) -> int:
    """The HTTP status."""
    return _CASES[refused.failure].status


def wait_of(refused: UpstreamRefused) -> int:
    """Seconds until trying again makes sense; 0 where waiting is not what helps."""
    return max(seconds(refused.retry_after), 1) if refused.failure is Failure.THROTTLED else 0


def show_refused(desk: Desk, visit: Visit, refused: UpstreamRefused) -> Response:
    """The page for one that ended so. It holds no form: the address it is shown at is nobody else's business."""
    case = _CASES[refused.failure]
    if refused.failure is Failure.STATE and visit.subject is not None:
        case = _IN_ALREADY
    name = refused.provider.name if refused.provider else "The provider"
    words = Words(case.title, refused.failure.sentence, {"name": name})
    # Where no journey of theirs was found, the log is silent, so that nobody can fill it; there is nothing to refer to.
    if refused.provider is not None:
        desk.log.info(
            "upstream_refused",
            provider=refused.provider.id,
            failure=refused.failure.value,
            correlation_id=visit.correlation_id,
        )
    return desk.message(
        visit,
        words,
        status=case.status,
        advice=case.advice,
        actions=_ways_on(desk, visit, refused, again=case.again),
        wait_seconds=wait_of(refused),
        fan="shut",
        reference=refused.provider is not None,
        is_error=case.is_error,
    )


def _ways_on(desk: Desk, visit: Visit, refused: UpstreamRefused, *, again: bool) -> list[Link]:
    target = refused.return_url or None
    if refused.linking:
        return [Link("Back to your account", "/account")]
    if refused.confirming:
        ours = target is None or target.startswith(desk.site.public_url + "/")
        return [
            Link("Try again", login_path(target, asking="confirm" if ours else "fresh")),
            Link("Leave it", "/"),
        ]
    if refused.failure is Failure.STATE and visit.subject is not None:
        return [Link("Your apps", "/")]
    if refused.failure is Failure.ADDRESS_TAKEN:
        # Connecting is what they will want next; where they were going is a click away from there.
        target = target or desk.site.public_url + "/account"
    links = [Link("Try again" if again else "Sign in another way", login_path(target, asking="choose"))]
    return [*links, Link("Your apps", "/")] if visit.subject is not None else links
