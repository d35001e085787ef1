"""Real apps that real clients know how to talk to: a git server and a calendar server, as one app behind a proxy.

Neither asks anybody for a password: they go by whom Doorward says it is, as apps behind it do.
"""

import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

Start = Callable[..., Any]
Environment = dict[str, Any]


class Workshop:
    """`/git/*` is git's own HTTP server over `folder`, everything else Radicale's. `users`: who they were told it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.users: list[str] = []
        self.secrets: list[str] = []
        """Every Authorization and X-Api-Key that got here."""
        self.queries: list[str] = []
        self._calendar = _open_calendar(folder / "calendar")
        self._server = make_server("127.0.0.1", 0, self._answer, _Threads, _Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_repository(self, name: str) -> Path:
        """An empty repository that whoever is let through may fetch from and push to."""
        path = self.folder / "git" / name
        run_git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
        return path

    def _answer(self, environment: Environment, start: Start) -> Iterable[bytes]:
        user = environment.get("HTTP_X_FORWARDED_USER_EMAIL", "").partition("@")[0]
        self.users.append(user)
        self.queries.append(environment["QUERY_STRING"])
        shown = (environment.get(name, "") for name in ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY"))
        self.secrets.extend(filter(None, shown))
        environment["REMOTE_USER"] = environment["HTTP_REMOTE_USER"] = user
        if environment["PATH_INFO"].startswith("/git/"):
            return self._answer_git(environment, start)
        answered: Iterable[bytes] = self._calendar(environment, start)
        return answered

    def _answer_git(self, environment: Environment, start: Start) -> Iterable[bytes]:
        length = int(environment.get("CONTENT_LENGTH") or 0)
        done = subprocess.run(
            ["git", "http-backend"],
            input=environment["wsgi.input"].read(length),
            capture_output=True,
            check=True,
            timeout=60,
            env={
                "PATH": "/usr/bin:/bin",
                "GIT_PROJECT_ROOT": str(self.folder / "git"),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": environment["PATH_INFO"].removeprefix("/git"),
                **{
                    name: environment.get(name, "")
                    for name in ("REQUEST_METHOD", "QUERY_STRING", "CONTENT_TYPE", "REMOTE_USER", "REMOTE_ADDR")
                },
                "HTTP_CONTENT_ENCODING": environment.get("HTTP_CONTENT_ENCODING", ""),
                "GIT_PROTOCOL": environment.get("HTTP_GIT_PROTOCOL", ""),
                "CONTENT_LENGTH": str(length),
            },
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = [tuple(line.split(": ", 1)) for line in head.decode("latin-1").split("\r\n")]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        start(status, [field for field in fields if field[0] != "Status"])
        return [body]


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- the framework's name
        pass


def run_git(*arguments: str, folder: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run git, with no settings but these: what whoever runs the tests has set up plays no part."""
    options = [part for name, value in settings.items() for part in ("-c", f"{name.replace('_', '.')}={value}")]
    return subprocess.run(
        ["git", *options, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **{f"GIT_{who}_NAME": "Alice" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "alice@example.com" for who in ("AUTHOR", "COMMITTER")},
        },
    )


def _open_calendar(folder: Path) -> Callable[[Environment, Start], Iterable[bytes]]:
    from radicale import config
    from radicale.app import Application

    settings = config.load()
    settings.update(
        {
            "auth": {"type": "http_remote_user"},
            "rights": {"type": "owner_only"},
            "storage": {"filesystem_folder": str(folder)},
            "logging": {"level": "critical"},
        },
        "tests",
    )
    application: Callable[[Environment, Start], Iterable[bytes]] = Application(settings)
    return application
