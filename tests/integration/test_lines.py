"""What the lines of the guides are for: without them, what they prevent happens.

Each guide has a table of its lines and of what would go wrong without them. Here it goes wrong. That shows two things:
the line is needed, and the scenario that holds it would notice its absence.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.integration.background import Background
from tests.integration.conftest import Scene
from tests.integration.echo import EchoApp
from tests.integration.gateway import ALICE, COOKIE, Gateway
from tests.integration.line import Line
from tests.integration.recipes import PROXIES, Ports
from tests.integration.tls import Certificates
from tests.integration.wire import NAVIGATION, Headers, Visitor

Staging = Callable[[str, Mapping[str, str]], AbstractContextManager[Scene]]
BROKEN_LUA = 'core.register_action("doorward", { "http-req" }, function() error("broken") end, 1)\n'


@pytest.fixture
def stage(tmp_path: Path, gateway: Gateway, app: EchoApp, line: Line, certificates: Certificates) -> Staging:
    """Run one proxy with its guide's file changed."""

    @contextmanager
    def run(name: str, changes: Mapping[str, str]) -> Iterator[Scene]:
        with PROXIES[name](tmp_path, Ports(line.port, app.port), certificates, changes) as proxy:
            app.arrivals.clear()
            yield Scene(proxy, Visitor(proxy.port, certificates.authority), app, line, gateway)

    return run


def visit(scene: Scene, headers: Headers = (), target: str = "/x", host: str = "app.example.com") -> int:
    """A page opened by Alice, who has a cookie of the app's as well, with these headers besides."""
    cookie = f"{scene.cookie_of(ALICE)}; theme=dark"
    return scene.visitor.send("GET", target, (*NAVIGATION, *headers), host=host, cookie=cookie).status


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("traefik", {"          - Cookie\n": ""}),
        ("caddy", {"copy_headers Cookie ": "copy_headers "}),
        ("nginx", {"proxy_set_header Cookie                  $doorward_cookie;": ""}),
        ("envoy", {"                              - {exact: cookie, ignore_case: true}\n                              - {exact: au": "                              - {exact: au"}),
    ],
)  # fmt: skip
def test_without_its_line_the_session_cookie_reaches_the_app(
    stage: Staging, name: str, changes: dict[str, str]
) -> None:
    """J18."""
    with stage(name, changes) as scene:
        assert visit(scene) == 200
        assert f"{COOKIE}=" in scene.only_arrival().all("Cookie")[0]


@pytest.mark.parametrize(
    ("name", "changes", "header"),
    [
        ("traefik", {"x[-_.]forwarded[-_.]user[-_.].+|": ""}, "X-Forwarded-User-Role"),
        ("caddy", {"request_header -Remote-User\n": "\n"}, "Remote-User"),
        ("nginx", {'proxy_set_header Remote-User             "";': ""}, "Remote-User"),
        ("envoy", {"remote[-_.](user|email|name|groups)": "nothing"}, "Remote-User"),
        ("envoy", {"x[-_.]forwarded[-_.].*": "nothing", "headers_with_underscores_action: DROP_HEADER": "{}"}, "X_Forwarded_User_Email"),
    ],
)  # fmt: skip
def test_without_its_line_a_claimed_identity_reaches_the_app(
    stage: Staging, name: str, changes: dict[str, str], header: str
) -> None:
    """A04, A19."""
    with stage(name, changes) as scene:
        assert visit(scene, ((header, "root@example.com"),)) == 200
        assert scene.only_arrival().all(header) == ["root@example.com"]


def test_without_its_lines_caddy_lets_a_client_take_identity_away(stage: Staging) -> None:
    """The headers named in Connection are dropped on the way to the app."""
    changes = {"request_header @upgrade Connection Upgrade": "", "request_header @hop -Connection": ""}
    with stage("caddy", changes) as scene:
        assert visit(scene, (("Connection", "keep-alive, X-Forwarded-User-Groups"),)) == 200
        assert scene.only_arrival().all("X-Forwarded-User-Groups") == []


def test_with_http_host_nginx_serves_one_host_and_judges_another(stage: Staging) -> None:
    """A stranger gets into the app by asking for it in the request line, with an open host in Host."""
    with stage("nginx", {"$scheme://$host$request_uri": "$scheme://$http_host$request_uri"}) as scene:
        target = "http://app.example.com/public/x"
        reply = scene.visitor.send("GET", target, NAVIGATION, host="api.example.com", name="app.example.com")
        assert reply.status == 200
        assert scene.only_arrival().all("Host") == ["app.example.com"]


def test_without_its_line_nginx_keeps_one_visitors_answer_for_another(stage: Staging) -> None:
    """K09: with a cache in the http section, everybody gets what the first visitor got, a stranger when nginx began."""
    with stage("nginx", {"    proxy_cache off;\n": ""}) as scene:
        assert visit(scene) == 401


def test_without_its_line_a_failing_script_opens_haproxy(stage: Staging, tmp_path: Path) -> None:
    """HAProxy goes on with a request whose Lua action raised an error."""
    script = tmp_path / "broken.lua"
    script.write_text(BROKEN_LUA, "utf-8")
    deny = "    http-request deny deny_status 503 unless { var(txn.doorward) -m str allowed }\n"
    with stage("haproxy", {deny: "", "/etc/haproxy/doorward.lua": f"{script} # /etc/haproxy/doorward.lua"}) as scene:
        assert scene.visitor.navigate("/x").status == 200
        assert len(scene.arrivals) == 1


def test_with_its_line_a_failing_script_keeps_haproxy_shut(stage: Staging, tmp_path: Path) -> None:
    """Decision 13: the line, not the script, keeps the door shut."""
    script = tmp_path / "broken.lua"
    script.write_text(BROKEN_LUA, "utf-8")
    with stage("haproxy", {"/etc/haproxy/doorward.lua": f"{script} # /etc/haproxy/doorward.lua"}) as scene:
        assert scene.visitor.navigate("/x").status == 503
        assert scene.arrivals == []


def test_with_failure_mode_allow_envoy_opens_when_the_gate_is_down(stage: Staging) -> None:
    """Decision 13: the setting that must be false."""
    with stage("envoy", {"failure_mode_allow: false": "failure_mode_allow: true"}) as scene, scene.line.cut():
        assert scene.visitor.navigate("/x").status == 200
        assert len(scene.arrivals) == 1


SECRET = "a secret for this test"
SECRETS = {
    "traefik": {
        "          - X-Forwarded-User-Groups\n": "          - X-Forwarded-User-Groups\n          - X-Doorward-Proxy-Secret\n",
        "  routers:\n": f"    secret:\n      headers: {{customRequestHeaders: {{X-Doorward-Proxy-Secret: {SECRET}}}}}\n\n  routers:\n",
        "middlewares: [doorward]": "middlewares: [secret, doorward]",
    },
    "caddy": {"\t\t\theader_up -Upgrade\n": f'\t\t\theader_up -Upgrade\n\t\t\theader_up X-Doorward-Proxy-Secret "{SECRET}"\n'},
    "nginx": {
        "        proxy_set_header X-Original-Method  $request_method;\n": "        proxy_set_header X-Original-Method  $request_method;\n"
        f'        proxy_set_header X-Doorward-Proxy-Secret "{SECRET}";\n'
    },
    "haproxy": {
        "    http-request lua.doorward ": f"    http-request set-var(txn.doorward_secret) str('{SECRET}')\n    http-request lua.doorward "
    },
    "envoy": {
        "                        path_prefix: /api/authz/envoy\n": "                        path_prefix: /api/authz/envoy\n"
        "                        authorization_request: {headers_to_add: [{key: x-doorward-proxy-secret, value: "
        f"{SECRET}}}]}}\n"
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_the_secret_between_proxy_and_gate_reaches_the_gate_and_no_app(
    stage: Staging, name: str, background: Background, line: Line
) -> None:
    """The recipes at the end of each guide. Something that records stands where the gate would."""
    with stage(name, SECRETS[name]) as scene:
        recorder = EchoApp()
        background.run(recorder.start())
        try:
            with line.leads_to(recorder.port):
                assert scene.visitor.navigate("/x").status == 200
        finally:
            background.run(recorder.stop())
        assert recorder.arrivals[0].all("X-Doorward-Proxy-Secret") == [SECRET]
        assert scene.only_arrival().like("X-Doorward-Proxy-Secret") == []
