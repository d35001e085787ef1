"""The five proxies, each run with the files of its guide.

The files are used as they stand, but for the example values they document: ports, and where files lie.
Every replacement must find its text, so a guide that stops saying what we think it says fails here.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

import yaml

from tests.integration.docker import Daemon
from tests.integration.kubernetes import Thing, certificate, cluster, gateway, read_manifests, service
from tests.integration.processes import Process, accepts, find_program, free_ports
from tests.integration.tls import Certificates
from tests.integration.wire import Visitor

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "guides" / "files"
KUBERNETES = ROOT / "deploy" / "kubernetes"
Changes = Mapping[str, str]
UNCHANGED: Changes = MappingProxyType({})
FROM_WHEELS = "make test, or: .venv/bin/pip install -e '.[dev]'"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where things listen, on loopback."""

    gate: int
    app: int


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy. `process` is its program, for its log."""

    name: str
    port: int
    plain_port: int
    process: Process


def fill(text: str, values: Changes) -> str:
    """Replace example values; each must be there."""
    for example, value in values.items():
        assert example in text, f"the guide's file no longer says {example!r}"
        text = text.replace(example, value)
    return text


def fill_file(source: Path, target: Path, values: dict[str, str], changes: Changes = UNCHANGED) -> Path:
    """Copy a guide's file with its example values replaced, and what a test wants to be different."""
    target.write_text(fill(fill(source.read_text("utf-8"), changes), values), "utf-8")
    return target


@contextmanager
def traefik(folder: Path, ports: Ports, certificates: Certificates, changes: Changes = UNCHANGED) -> Iterator[Proxy]:
    """Traefik by file."""
    program = find_program("traefik", FROM_WHEELS)
    port, plain = free_ports(2)
    dynamic = fill_file(
        FILES / "traefik/dynamic.yml",
        folder / "dynamic.yml",
        {
            "127.0.0.1:8080": f"127.0.0.1:{ports.gate}",
            "127.0.0.1:9000": f"127.0.0.1:{ports.app}",
            "/etc/ssl/example.com/fullchain.pem": str(certificates.chain),
            "/etc/ssl/example.com/privkey.pem": str(certificates.key),
        },
        changes,
    )
    static = fill_file(
        FILES / "traefik/traefik.yml",
        folder / "traefik.yml",
        {'":80"': f'"127.0.0.1:{plain}"', '":443"': f'"127.0.0.1:{port}"', "/etc/traefik/dynamic.yml": str(dynamic)},
    )
    with _run("traefik", [program, f"--configFile={static}"], folder, certificates, port, plain) as proxy:
        yield proxy


@contextmanager
def caddy(folder: Path, ports: Ports, certificates: Certificates, changes: Changes = UNCHANGED) -> Iterator[Proxy]:
    """Caddy."""
    program = find_program("caddy", FROM_WHEELS)
    port, plain = free_ports(2)
    config = fill_file(
        FILES / "caddy/Caddyfile",
        folder / "Caddyfile",
        {
            "127.0.0.1:8080": f"127.0.0.1:{ports.gate}",
            "127.0.0.1:9000": f"127.0.0.1:{ports.app}",
            "/etc/ssl/example.com/fullchain.pem": str(certificates.chain),
            "/etc/ssl/example.com/privkey.pem": str(certificates.key),
        },
        changes,
    )
    # A test run's Caddy listens elsewhere, keeps to itself, and lets nobody configure it.
    options = f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n\tdefault_bind 127.0.0.1\n}}\n"
    config.write_text(options + config.read_text("utf-8"), "utf-8")
    home = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    with _run("caddy", command, folder, certificates, port, plain, home) as proxy:
        yield proxy


@contextmanager
def nginx(folder: Path, ports: Ports, certificates: Certificates, changes: Changes = UNCHANGED) -> Iterator[Proxy]:
    """nginx, under a main configuration that caches whatever it may: the guide's file must keep the check out of it."""
    program = find_program("nginx", "apt-get install nginx")
    port, plain = free_ports(2)
    site = fill_file(
        FILES / "nginx/doorward.conf",
        folder / "doorward.conf",
        {
            "127.0.0.1:8080": f"127.0.0.1:{ports.gate}",
            "127.0.0.1:9000": f"127.0.0.1:{ports.app}",
            "listen 443 ": f"listen 127.0.0.1:{port} ",
            "listen 80 ": f"listen 127.0.0.1:{plain} ",
            "/etc/ssl/example.com/fullchain.pem": str(certificates.chain),
            "/etc/ssl/example.com/privkey.pem": str(certificates.key),
        },
        changes,
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"    {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"{user}worker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        "events {}\n"
        f"http {{\n    access_log off;\n{temporary}\n"
        f"    proxy_cache_path {folder}/cache keys_zone=everything:1m;\n"
        "    proxy_cache everything;\n"
        "    proxy_cache_key $uri;\n"
        "    proxy_cache_valid any 10m;\n"
        "    proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;\n"
        f"    include {site};\n}}\n",
        "utf-8",
    )
    with _run(
        "nginx", [program, "-p", str(folder), "-e", "stderr", "-c", str(main)], folder, certificates, port, plain
    ) as proxy:
        yield proxy


@contextmanager
def haproxy(folder: Path, ports: Ports, certificates: Certificates, changes: Changes = UNCHANGED) -> Iterator[Proxy]:
    """HAProxy with our Lua action."""
    program = find_program("haproxy", "apt-get install haproxy")
    port, plain = free_ports(2)
    config = fill_file(
        FILES / "haproxy/haproxy.cfg",
        folder / "haproxy.cfg",
        {
            "127.0.0.1:8080": f"127.0.0.1:{ports.gate}",
            "127.0.0.1:9000": f"127.0.0.1:{ports.app}",
            "bind :443 ": f"bind 127.0.0.1:{port} ",
            "bind :80": f"bind 127.0.0.1:{plain}",
            "/etc/haproxy/certs/example.com.pem": str(certificates.bundle),
            "/etc/haproxy/doorward.lua": str(ROOT / "deploy/haproxy/doorward.lua"),
        },
        changes,
    )
    with _run("haproxy", [program, "-db", "-f", str(config)], folder, certificates, port, plain) as proxy:
        yield proxy


@contextmanager
def envoy(folder: Path, ports: Ports, certificates: Certificates, changes: Changes = UNCHANGED) -> Iterator[Proxy]:
    """Envoy."""
    program = find_program("envoy", FROM_WHEELS)
    port, plain = free_ports(2)
    config = fill_file(
        FILES / "envoy/envoy.yaml",
        folder / "envoy.yaml",
        {
            "port_value: 8080": f"port_value: {ports.gate}",
            "port_value: 9000": f"port_value: {ports.app}",
            "address: 0.0.0.0, port_value: 80}": f"address: 127.0.0.1, port_value: {plain}}}",
            "address: 0.0.0.0, port_value: 443}": f"address: 127.0.0.1, port_value: {port}}}",
            "/etc/ssl/example.com/fullchain.pem": str(certificates.chain),
            "/etc/ssl/example.com/privkey.pem": str(certificates.key),
        },
        changes,
    )
    command = [
        program, "--config-path", str(config), "--use-dynamic-base-id",
        "--concurrency", "1", "--log-level", "warning",
    ]  # fmt: skip
    with _run("envoy", command, folder, certificates, port, plain) as proxy:
        yield proxy


@contextmanager
def traefik_labels(folder: Path, ports: Ports, certificates: Certificates) -> Iterator[Proxy]:
    """Traefik by Docker labels, which a daemon of ours tells it of."""
    program = find_program("traefik", FROM_WHEELS)
    port, plain = free_ports(2)
    files = fill_file(
        FILES / "traefik/certificates.yml",
        folder / "certificates.yml",
        {
            "/etc/ssl/example.com/fullchain.pem": str(certificates.chain),
            "/etc/ssl/example.com/privkey.pem": str(certificates.key),
        },
    )
    text = fill(
        (FILES / "traefik/compose.yml").read_text("utf-8"),
        {
            "http://doorward:8080/": f"http://127.0.0.1:{ports.gate}/",
            'server.port: "8080"': f'server.port: "{ports.gate}"',
            'server.port: "80"': f'server.port: "{ports.app}"',
            "web.address=:80": f"web.address=127.0.0.1:{plain}",
            "websecure.address=:443": f"websecure.address=127.0.0.1:{port}",
            "filename=/etc/traefik/certificates.yml": f"filename={files}",
        },
    )
    services = yaml.safe_load(text)["services"]
    labels = {
        name: {label: value.replace("$$", "$") for label, value in service["labels"].items()}
        for name, service in services.items()
        if "labels" in service
    }
    with Daemon(labels) as daemon:
        command = [program, *services["traefik"]["command"], f"--providers.docker.endpoint={daemon.endpoint}"]
        with _run("traefik_labels", command, folder, certificates, port, plain) as proxy:
            yield proxy


@contextmanager
def traefik_ingressroute(folder: Path, ports: Ports, certificates: Certificates) -> Iterator[Proxy]:
    """Traefik in Kubernetes, by Middleware and IngressRoute."""
    port, plain = free_ports(2)
    things = [*_manifests("ingressroute.yaml", ports), *_surroundings(ports, certificates)]
    with cluster(things) as running:
        options = [f"--providers.kubernetesCRD.endpoint={running.endpoint}", "--providers.kubernetesCRD.token=token"]
        command = _kubernetes_command(options, port, plain)
        with _run("traefik_ingressroute", command, folder, certificates, port, plain) as proxy:
            yield proxy


@contextmanager
def traefik_httproute(folder: Path, ports: Ports, certificates: Certificates) -> Iterator[Proxy]:
    """Traefik in Kubernetes, by the Gateway API."""
    port, plain = free_ports(2)
    things = [*_manifests("httproute.yaml", ports), *_surroundings(ports, certificates), *gateway(port)]
    with cluster(things) as running:
        options = [
            f"--providers.{kind}.{option}"
            for kind in ("kubernetesCRD", "kubernetesGateway")
            for option in (f"endpoint={running.endpoint}", "token=token")
        ]
        command = _kubernetes_command(options, port, plain)
        with _run("traefik_httproute", command, folder, certificates, port, plain) as proxy:
            yield proxy


def _manifests(routes: str, ports: Ports) -> list[Thing]:
    middleware = fill(
        (KUBERNETES / "middleware.yaml").read_text("utf-8"),
        {"doorward.doorward.svc.cluster.local:8080": f"127.0.0.1:{ports.gate}"},
    )
    return read_manifests(middleware, (KUBERNETES / routes).read_text("utf-8"))


def _surroundings(ports: Ports, certificates: Certificates) -> list[Thing]:
    return [
        *service("doorward", "doorward", 8080, ports.gate),
        *service("apps", "app", 80, ports.app),
        *(certificate(namespace, certificates) for namespace in ("doorward", "apps", "traefik")),
    ]


def _kubernetes_command(options: list[str], port: int, plain: int) -> list[str]:
    # What deploy/kubernetes asks of the Traefik it finds, on the ports of this run.
    return [
        find_program("traefik", FROM_WHEELS),
        f"--entryPoints.web.address=127.0.0.1:{plain}",
        "--entryPoints.web.http.redirections.entryPoint.to=websecure",
        f"--entryPoints.websecure.address=127.0.0.1:{port}",
        "--entryPoints.websecure.http.aliasHeadersStrategy=delete",
        *options,
    ]


PROXIES = {
    "traefik": traefik,
    "traefik_labels": traefik_labels,
    "traefik_ingressroute": traefik_ingressroute,
    "traefik_httproute": traefik_httproute,
    "caddy": caddy,
    "nginx": nginx,
    "haproxy": haproxy,
    "envoy": envoy,
}


@contextmanager
def _run(
    name: str,
    command: list[str],
    folder: Path,
    certificates: Certificates,
    port: int,
    plain: int,
    environment: dict[str, str] | None = None,
) -> Iterator[Proxy]:
    process = Process(name, command, folder, environment)
    try:
        process.wait_until(lambda: accepts(plain) and _serves(port, certificates))
        yield Proxy(name, port, plain, process)
    finally:
        process.stop()


def _serves(port: int, certificates: Certificates) -> bool:
    # Some listen before they have read their certificates and routes: ready is who shows ours and knows the app.
    try:
        reply = Visitor(port, certificates.authority).send("GET", "/", host="app.example.com")
    except OSError:
        return False
    return reply.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.MISDIRECTED_REQUEST}
