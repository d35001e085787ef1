"""As much of a Kubernetes API as Traefik asks of one: lists and watches of what a cluster holds, which never changes."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.integration.background import Neighbour
from tests.integration.tls import Certificates

Thing = dict[str, Any]

KINDS = {
    "services": "Service", "endpointslices": "EndpointSlice", "secrets": "Secret", "namespaces": "Namespace",
    "configmaps": "ConfigMap", "nodes": "Node", "ingressclasses": "IngressClass", "middlewares": "Middleware",
    "middlewaretcps": "MiddlewareTCP", "ingressroutes": "IngressRoute", "ingressroutetcps": "IngressRouteTCP",
    "ingressrouteudps": "IngressRouteUDP", "tlsoptions": "TLSOption", "tlsstores": "TLSStore",
    "serverstransports": "ServersTransport", "serverstransporttcps": "ServersTransportTCP",
    "traefikservices": "TraefikService", "gatewayclasses": "GatewayClass", "gateways": "Gateway",
    "httproutes": "HTTPRoute", "grpcroutes": "GRPCRoute", "referencegrants": "ReferenceGrant",
    "backendtlspolicies": "BackendTLSPolicy", "tlsroutes": "TLSRoute",
}  # fmt: skip
SCHEMAS = Path(__file__).parents[1] / "vectors" / "kubernetes"
_PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<ns>[^/]+))?/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?(?:/status)?"
)


class Cluster(Neighbour):
    """Serves these things to whoever asks."""

    def __init__(self, things: list[Thing]) -> None:
        super().__init__(_Answer)
        for number, thing in enumerate(things):
            thing["metadata"].update(resourceVersion="1", uid=str(number), generation=1)
            thing["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        self.things = things

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def find(self, kind: str, namespace: str | None) -> list[Thing]:
        """Everything of a kind."""
        return [
            thing
            for thing in self.things
            if thing["kind"] == kind and (namespace is None or thing["metadata"].get("namespace") == namespace)
        ]


class _Answer(BaseHTTPRequestHandler):
    server: Cluster
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        path = _PATH.fullmatch(url.path)
        if url.path == "/version":
            self._send({"major": "1", "minor": "34", "gitVersion": "v1.34.0"})
        elif path is None or path["kind"] not in KINDS:
            self._send({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}, 404)
        else:
            kind, version = KINDS[path["kind"]], "/".join(url.path.split("/")[2:4]) if "/apis/" in url.path else "v1"
            things = self.server.find(kind, path["ns"])
            if path["name"]:
                self._send(next(thing for thing in things if thing["metadata"]["name"] == path["name"]))
            elif "watch" in query:
                self._watch(kind, version, things if "sendInitialEvents" in query else [])
            else:
                self._send(
                    {
                        "kind": f"{kind}List",
                        "apiVersion": version,
                        "metadata": {"resourceVersion": "1"},
                        "items": things,
                    }
                )

    def do_PUT(self) -> None:
        # Traefik tells how it judged routes and gateways; nothing here depends on it.
        self._send(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    do_PATCH = do_PUT  # noqa: N815 -- the name http.server looks for
    do_POST = do_PUT  # noqa: N815 -- the same

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _watch(self, kind: str, version: str, things: list[Thing]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end = {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}
        events = [{"type": "ADDED", "object": thing} for thing in things]
        events.append({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": version, "metadata": end}})
        for event in events:
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
        self.wfile.flush()
        self.server.ending.wait()
        self.close_connection = True

    def _send(self, content: Thing, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def read_manifests(*texts: str) -> list[Thing]:
    """The documents of these files, with what an API server fills in."""
    things = [thing for text in texts for thing in yaml.safe_load_all(text)]
    for thing in things:
        add_defaults(thing, read_schema(thing))
    return things


def read_schema(thing: Thing) -> Thing:
    """The published schema of a thing's kind."""
    group, _, version = thing["apiVersion"].partition("/")
    plural = next(plural for plural, kind in KINDS.items() if kind == thing["kind"])
    schema: Thing = json.loads((SCHEMAS / f"{group}_{plural}_{version}.json").read_text("utf-8"))
    return schema


def add_defaults(value: object, schema: Thing) -> None:
    """Fill in the defaults a schema names, as the API server does when it stores a thing."""
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name not in value and "default" in part:
                value[name] = part["default"]
            if name in value:
                add_defaults(value[name], part)
    elif isinstance(value, list):
        for item in value:
            add_defaults(item, schema.get("items", {}))


def service(namespace: str, name: str, port: int, behind: int) -> list[Thing]:
    """A service whose one pod listens on loopback."""
    place = {"namespace": namespace, "name": name}
    return [
        {
            "kind": "Service", "apiVersion": "v1", "metadata": dict(place),
            "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": port, "protocol": "TCP"}]},
        },
        {
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": {**place, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": behind, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True, "serving": True}}],
        },
    ]  # fmt: skip


def certificate(namespace: str, certificates: Certificates) -> Thing:
    """The secret with the certificate for *.example.com."""
    data = {"tls.crt": certificates.chain, "tls.key": certificates.key}
    return {
        "kind": "Secret", "apiVersion": "v1", "type": "kubernetes.io/tls",
        "metadata": {"namespace": namespace, "name": "example-com"},
        "data": {name: _encode(path) for name, path in data.items()},
    }  # fmt: skip


def gateway(port: int) -> list[Thing]:
    """A Gateway that admits routes from everywhere."""
    listener = {
        "name": "websecure", "port": port, "protocol": "HTTPS", "allowedRoutes": {"namespaces": {"from": "All"}},
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "group": "", "name": "example-com"}]},
    }  # fmt: skip
    return [
        {
            "kind": "GatewayClass", "apiVersion": "gateway.networking.k8s.io/v1", "metadata": {"name": "traefik"},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "kind": "Gateway", "apiVersion": "gateway.networking.k8s.io/v1",
            "metadata": {"namespace": "traefik", "name": "traefik"},
            "spec": {"gatewayClassName": "traefik", "listeners": [listener]},
        },
    ]  # fmt: skip


@contextmanager
def cluster(things: list[Thing]) -> Iterator[Cluster]:
    """A cluster with these things, and the namespaces they are in."""
    names = {thing["metadata"].get("namespace") for thing in things} - {None}
    spaces = [
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "labels": {}}} for name in sorted(names)
    ]
    with Cluster([*things, *spaces]) as running:
        yield running


def _encode(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
