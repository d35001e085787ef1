"""The account that stands for certain networks, as the gate remembers it (D-11)."""

from collections.abc import Hashable

from doorward.interfaces import LiveView, Log
from doorward.rules.policy import Network
from doorward.rules.single_user import SingleUser, find_flaw, stand_in


class SingleUserAccount:
    """Read anew after every commit, so that whatever is done to the account counts at the next check."""

    def __init__(
        self,
        view: LiveView,
        name: str,
        log: Log,
        *,
        networks: tuple[Network, ...],
        proxies: tuple[Network, ...] = (),
    ) -> None:
        self._view = view
        self._name = name
        self._log = log
        self._networks = networks
        self._proxies = proxies
        self._stamp: Hashable = None
        self._found: SingleUser | None = None
        self._flaw = ""

    def find(self) -> SingleUser | None:
        """The account in place of a sign-in; None where it must not be. UnavailableError where nobody can say.

        SECURITY: the stamp is read before the account: what is committed in between shows as a new stamp next time.
        tests/unit/test_single_user.py would fail.
        """
        stamp = self._view.stamp()
        if stamp != self._stamp:
            user = self._view.find_user_by_name(self._name)
            self._found = stand_in(user, networks=self._networks, proxies=self._proxies)
            self._stamp = stamp
            self._tell(find_flaw(user))
        return self._found

    def _tell(self, flaw: str) -> None:
        if flaw and flaw != self._flaw:
            self._log.warning("single_user_unusable", user=self._name, why=flaw)
        self._flaw = flaw
