"""Following the durable side: what was read of it is taken up anew when anything changes there, whoever changes it."""

from collections.abc import Callable, Hashable
from typing import Protocol


class Followed(Protocol):
    """The durable side, read without awaiting."""

    def stamp(self) -> Hashable:
        """A value that changes with every commit."""
        ...

    def revision(self) -> int:
        """How often something was taken away, altered, or a key made."""
        ...


class Following:
    """Compares the stamp at every use, and looks further only after a commit.

    SECURITY: the stamp is read before the rest, so that what is committed in between shows as a new stamp next time;
    and it is noted last, so that what could not be taken up is tried again at the next use.
    tests/unit/test_following.py would fail.
    """

    def __init__(self, view: Followed) -> None:
        self._view = view
        self._stamp: Hashable = None
        self._revision = -1

    def follow(self, take_up: Callable[[], None], *, first: Callable[[], None] | None = None) -> None:
        """Call `take_up` where something was taken away, altered or made; before that, after any commit, `first`.

        What they raise is raised here.
        """
        stamp = self._view.stamp()
        if stamp == self._stamp:
            return
        if first is not None:
            first()
        revision = self._view.revision()
        if revision != self._revision:
            take_up()
            self._revision = revision
        self._stamp = stamp

    def forget(self) -> None:
        """Take everything up anew at the next use: the database became that of another installation."""
        self._stamp, self._revision = None, -1
