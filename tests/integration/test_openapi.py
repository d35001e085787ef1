"""The description of the API against the running gateway: what it accepts, and what else people may send.

Requests are made from `/api/openapi.json` as it is served, half of them on purpose not as described. Whatever comes
back must be described: status, content type, headers, body; and never is it our fault.
"""

import json
from dataclasses import dataclass, field

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from doorward.web.api.description import OPEN
from tests.cli.conftest import Place, Server
from tests.fakes.administering import Desk

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
PLENTY = "[100000/1m]"
LIMITS = (
    "login", "otp_verify", "mfa_manage", "password_change", "registration", "invite", "forgot", "reset", "oidc",
    "admin", "export", "destructive", "backup", "imports", "key_create",
)  # fmt: skip
EXAMPLES = settings(
    max_examples=4,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CONFIG = {
    "generation": {"with-security-parameters": False},
    "checks": {"negative_data_rejection": {"expected-statuses": [400, 403, 404, 409, 413, 422]}},
}
DESCRIBED = {
    f"{method.upper()} {path}": operation
    for path, operations in Desk().api.openapi()["paths"].items()
    for method, operation in operations.items()
}


def made_for(operation):
    """As described, and where that can be also not so: any text may stand in a path."""
    queried = any(each["in"] == "query" for each in operation.get("parameters", ()))
    return list(GenerationMode) if queried or "requestBody" in operation else [GenerationMode.POSITIVE]


@dataclass
class Program:
    """A program with an administrator's cookies and token; both are renewed when they were good once."""

    server: Server
    base: str
    schema: schemathesis.schemas.BaseSchema
    session: requests.Session = field(default_factory=requests.Session)
    headers: dict[str, str] = field(default_factory=dict)

    def sign_in(self):
        answer = self.server.fill("/login", login="root", password="Tr4vel-by-Night!")
        assert answer.status_code == 303, answer.text
        jar = dict(line.partition(";")[0].split("=", 1) for line in answer.headers.get_list("set-cookie"))
        self.headers = self.own() | {"cookie": _join(jar)}
        token = self.server.get("/api/auth/csrf-token", cookie=_join(jar))
        jar |= dict(line.partition(";")[0].split("=", 1) for line in token.headers.get_list("set-cookie"))
        self.headers |= {"cookie": _join(jar), "x-csrf-token": token.json()["csrf_token"]}

    def own(self):
        """What the proxy says of every request."""
        return {
            "host": f"auth.door.localhost:{self.server.main}",
            "x-forwarded-proto": "http",
            "x-forwarded-for": "203.0.113.9",
        }

    def send(self, case, *, known):
        """Send a request, again where it came too late for its session."""
        # What was made up for them would stand in the way of our own.
        case.cookies, case.headers = {}, {}
        answer = self._send(case, self.headers if known else self.own())
        if known and answer.status_code == 401:
            self.sign_in()
            answer = self._send(case, self.headers)
        return answer

    def _send(self, case, headers):
        self.session.cookies.clear()
        return case.call(base_url=self.base, session=self.session, headers=headers)


def _join(jar):
    return "; ".join(f"{name}={value}" for name, value in jar.items())


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        place = Place(tmp_path_factory.mktemp("openapi"))
        patch.chdir(place.folder)
        limits = ", ".join(f"{name}: {PLENTY}" for name in LIMITS)
        place.write(f"limits: {{{limits}}}\n")
        place.add("root", "--admin")
        place.add("second", "--admin")
        with place.serving() as server:
            described = server.get("/api/openapi.json")
            schema = schemathesis.openapi.from_dict(described.json(), config=SchemathesisConfig.from_dict(CONFIG))
            made = Program(server, f"http://127.0.0.1:{server.main}", schema)
            made.sign_in()
            yield made
            assert "request_failed" not in server.process.log


def find_operation(program, name):
    method, path = name.split(" ")
    return program.schema[path][method]


def test_what_is_described_is_what_is_served(program):
    """The operations that are tried here are those of the running gateway."""
    served = program.server.get("/api/openapi.json")
    assert served.headers["content-type"] == "application/json"
    paths = json.loads(served.text)["paths"]
    assert {f"{method.upper()} {path}" for path in paths for method in paths[path]} == DESCRIBED.keys()


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, mode) for name, operation in DESCRIBED.items() for mode in made_for(operation)],
    ids=lambda each: each.value if isinstance(each, GenerationMode) else each,
)
def test_whatever_an_administrator_sends_the_answer_is_as_described(program, name, mode):
    """P06, P14: nothing that a program sends is our fault or without a word for it."""
    operation = find_operation(program, name)

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        case.validate_response(program.send(case, known=True), checks=CHECKS)

    ask()


@pytest.mark.parametrize("name", DESCRIBED)
def test_nobody_is_asked_to_sign_in(program, name):
    """L10: whatever else they send."""
    operation = find_operation(program, name)
    is_open = DESCRIBED[name]["operationId"] in OPEN

    @settings(EXAMPLES, max_examples=2)
    @given(case=operation.as_strategy())
    def ask(case):
        answer = program.send(case, known=False)
        assert answer.status_code == (200 if is_open else 401)
        case.validate_response(answer, checks=CHECKS)

    ask()
