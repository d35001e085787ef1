"""A program: send one message with Apprise, and say in one word how it went. Started by `notify`, for one message.

It reads what to send from standard input, limits itself before it loads anything foreign, and connects only to
addresses that `rules.outbound` would let us call.
"""

import importlib
import json
import os
import resource
import smtplib
import socket
import ssl
import sys
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, Final

from doorward.errors import InputError
from doorward.rules.alert_target import MAIL_PORTS, MAIL_SCHEMES, parse_target
from doorward.rules.outbound import Allowance, OutboundPolicy, find_objection

_HTTPS: Final = 443
_MOST_INPUT: Final = 256 * 1024
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_FORBIDDEN: Final = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "os.forkpty",
        "pty.spawn",
        "ctypes.dlopen",
    }
)
_OK: Final = 400


class _ObjectionError(OSError):
    """Nothing may be sent there."""


class _Course:
    """How it went, as far as anybody noticed: the last status, and the first thing in the way."""

    def __init__(self) -> None:
        self.status = 0
        self.word = ""
        self.objection = ""

    def note(self, error: BaseException) -> None:
        """Note what was in the way; what lies beneath an error says more than the error."""
        at: BaseException | None = error
        for _ in range(10):
            if at is None:
                return
            reason = getattr(at, "reason", None)
            self._note(at)
            at = reason if isinstance(reason, BaseException) else at.__cause__ or at.__context__

    def _note(self, error: BaseException) -> None:
        if isinstance(error, _ObjectionError):
            self.word, self.objection = "objection", str(error)
        elif self.word == "objection":
            return
        elif isinstance(error, ssl.SSLError):
            self.word = "tls"
        elif isinstance(error, socket.gaierror):
            self.word = "name"
        elif isinstance(error, TimeoutError):
            self.word = "timeout"
        elif isinstance(error, ConnectionError):
            self.word = self.word or "connect"
        elif isinstance(error, smtplib.SMTPResponseException):
            self.status = error.smtp_code


def main() -> None:
    """Do it, and answer."""
    answer = os.fdopen(os.dup(1), "w", encoding="ascii")
    # SECURITY: what libraries print may hold the address with its token; tests/contract/test_notify.py would fail.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    asked = json.loads(sys.stdin.buffer.read(_MOST_INPUT))
    course = _Course()
    try:
        _limit(asked["memory"], asked["seconds"])
        sent = _send(asked, course)
    except Exception as error:  # noqa: BLE001 -- the answer is all that leaves this program
        course.note(error)
        sent = False
    word = "sent" if sent else course.word or "failed"
    json.dump({"word": word, "status": 0 if sent else course.status, "objection": course.objection}, answer)
    answer.close()


def _limit(memory: int, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def _send(asked: dict[str, Any], course: _Course) -> bool:
    try:
        scheme = parse_target(asked["url"])
    except InputError:
        course.word = "address"
        return False
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError:
        course.word = "library"
        return False
    _watch_answers(importlib.import_module("requests"), course, asked["ca_file"])
    asset = AppriseAsset(
        app_id="Doorward", app_desc="Doorward", app_url="", http_redirects=False, async_mode=False, secure_logging=True
    )
    target = Apprise.instantiate(asked["url"], asset=asset, suppress_exceptions=True)
    # What an address may say is known (`rules.alert_target`); this asks what became of it.
    if target is None or not target.verify_certificate:
        course.word = "address"
        return False
    _guard(_read_policy(asked), mail=scheme in MAIL_SCHEMES, course=course)
    return bool(target.notify(body=asked["text"], title=asked["title"], body_format="text"))


def _read_policy(asked: dict[str, Any]) -> OutboundPolicy:
    return OutboundPolicy(
        allowances=tuple(
            Allowance(each["host"], ip_network(each["network"]) if each["network"] else None, each["port"])
            for each in asked["allowances"]
        ),
        insecure_http=asked["insecure_http"],
        own_origins=frozenset(asked["own_origins"]),
    )


def _guard(policy: OutboundPolicy, *, mail: bool, course: _Course) -> None:
    """From here on: names resolve only to what may be called, and only what was resolved is connected to."""
    resolve: Callable[..., Any] = socket.getaddrinfo
    opened: set[tuple[str, int]] = set()

    def resolve_guarded(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        try:
            found = resolve(host, port, *arguments, **options)
        except OSError as error:
            course.note(error)
            raise
        name = host.decode("ascii") if isinstance(host, bytes) else str(host)
        number = int(port)
        addresses = [ip_address(each[4][0].partition("%")[0]) for each in found]
        judged = _HTTPS if mail and number in MAIL_PORTS else number
        objection = find_objection(name.lower().rstrip("."), judged, addresses, policy)
        if objection is not None:
            refused = _ObjectionError(objection)
            course.note(refused)
            raise refused
        opened.update((each[4][0], number) for each in found)
        return found

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        # SECURITY: no hook can be taken away again, whatever a library does to the function above.
        # tests/contract/test_notify.py tries what is kept from it.
        if event == "socket.connect":
            place = arguments[1]
            if not isinstance(place, tuple) or (place[0], place[1]) not in opened:
                raise _ObjectionError("it leads to an address that was not looked at")
        elif event in _FORBIDDEN or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES):
            raise PermissionError(event)

    socket.getaddrinfo = resolve_guarded
    sys.addaudithook(watch)


def _watch_answers(requests: Any, course: _Course, ca_file: str) -> None:
    """Note the status of each answer, and what was in the way of one; Apprise itself only says that it failed."""
    send = requests.Session.send

    def send_watched(self: Any, request: Any, **options: Any) -> Any:
        try:
            try:
                answer = send(self, request, **options)
            except requests.exceptions.SSLError:
                if not ca_file:
                    raise
                # `requests` knows either the usual authorities or those of a file.
                answer = send(self, request, **{**options, "verify": ca_file})
        except Exception as error:
            course.note(error)
            raise
        if answer.status_code >= _OK or not course.status:
            course.status = answer.status_code
        return answer

    requests.Session.send = send_watched
