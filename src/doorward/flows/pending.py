"""What a sign-in under way remembers between its steps: the state of a LOGIN ticket, read and written in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from doorward.rules.identity import User, UserId
from doorward.rules.login import Demand
from doorward.rules.session import Method, SessionHandle


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A sign-in under way.

    `account` is who may answer, once that is known, and `generation` its generation then: with another one the sign-in
    is over. `proven` grows by proofs alone. `session` is the running session whose proofs are among them, which has
    to be there still at the end; `had_second`: it had a second factor, so its successor has one, too. The new session
    ends by `ends_by` where that is set. `upstream` is a provider's word, sealed for the ticket; `challenge` what a
    passkey has to sign; `wrong` counts failures with this ticket.
    """

    demand: Demand
    return_url: str = ""
    return_refused: bool = False
    account: UserId | None = None
    generation: int = 0
    proven: frozenset[Method] = frozenset()
    remember: bool = False
    session: SessionHandle | None = None
    had_second: bool = False
    authenticated_at: datetime | None = None
    ends_by: datetime | None = None
    upstream: str = ""
    challenge: str = ""
    wrong: int = 0
    postponed: bool = False
    enrolled: bool = False

    def is_of(self, user: User) -> bool:
        """Whether this account, as it is now, may still answer: nothing was taken from it since the sign-in began."""
        return user.id == self.account and user.generation == self.generation

    def write(self) -> dict[str, str]:
        """The state of its ticket."""
        state = {
            "demand": self.demand.value,
            "return": self.return_url,
            "return_refused": _write(self.return_refused),
            "account": self.account or "",
            "generation": str(self.generation) if self.account else "",
            "proven": ",".join(sorted(method.name for method in self.proven)),
            "remember": _write(self.remember),
            "session": self.session or "",
            "had_second": _write(self.had_second),
            "authenticated_at": self.authenticated_at.isoformat() if self.authenticated_at else "",
            "ends_by": self.ends_by.isoformat() if self.ends_by else "",
            "upstream": self.upstream,
            "challenge": self.challenge,
            "wrong": str(self.wrong) if self.wrong else "",
            "postponed": _write(self.postponed),
            "enrolled": _write(self.enrolled),
        }
        return {name: value for name, value in state.items() if value}

    @classmethod
    def read(cls, state: Mapping[str, str]) -> "Pending":
        """What `write` wrote."""
        account, session = state.get("account"), state.get("session")
        return cls(
            demand=Demand(state["demand"]),
            return_url=state.get("return", ""),
            return_refused="return_refused" in state,
            account=UserId(account) if account else None,
            generation=int(state.get("generation", "0")),
            proven=frozenset(Method[name] for name in state.get("proven", "").split(",") if name),
            remember="remember" in state,
            session=SessionHandle(session) if session else None,
            had_second="had_second" in state,
            authenticated_at=_instant(state.get("authenticated_at")),
            ends_by=_instant(state.get("ends_by")),
            upstream=state.get("upstream", ""),
            challenge=state.get("challenge", ""),
            wrong=int(state.get("wrong", "0")),
            postponed="postponed" in state,
            enrolled="enrolled" in state,
        )


def _write(yes: bool) -> str:
    return "yes" if yes else ""


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
