"""One sign-in with the provider that works, as a browser makes it: out, there, and back."""

import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from bench.elsewhere import GOOD
from bench.load import WrongAnswerError
from bench.town import PASSWORD
from bench.visitor import Visitor

SESSION = "doorward"


class Trip:
    """A person who is known there as `person` and its number, in a browser that was never here."""

    def __init__(self, port: int, number: int) -> None:
        self._visitor = Visitor(port, number)
        self._number = number
        self._back = ""

    def make(self) -> float:
        """Seconds from the callback to the answer with the session."""
        self.set_out()
        return self.come_back()

    def set_out(self) -> None:
        """Press the provider's button, sign in there, and be sent back."""
        self._visitor.open("/login?choose=1")
        onward = urlsplit(self._visitor.send("/login/with", {"provider": GOOD}).onward)
        line = HTTPConnection(onward.netloc, timeout=60)
        line.request("GET", f"{onward.path}?{onward.query}&login_hint=person{self._number}")
        back = urlsplit(line.getresponse().getheader("location", ""))
        line.close()
        self._back = f"{back.path}?{back.query}"

    def come_back(self) -> float:
        """Open the callback. WrongAnswerError where that is no sign-in."""
        began = time.perf_counter()
        reply = self._visitor.open(self._back)
        took = time.perf_counter() - began
        self._visitor.close()
        if SESSION not in reply.cookies:
            raise WrongAnswerError(f"the callback answers {reply.status} and gives no session:\n{reply.page}")
        return took


def sign_in_here(port: int, number: int) -> float:
    """Seconds that a sign-in with a password takes, from the form to the answer with the session."""
    visitor = Visitor(port, number)
    visitor.open("/login?choose=1")
    began = time.perf_counter()
    reply = visitor.send("/login", {"login": f"user{number}", "password": PASSWORD})
    took = time.perf_counter() - began
    visitor.close()
    if SESSION not in reply.cookies:
        raise WrongAnswerError(f"the password's answer is {reply.status} and gives no session")
    return took
