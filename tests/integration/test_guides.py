"""The guides say what the tests run, and the manifests are what their schemas ask for."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.integration.kubernetes import Thing, read_schema
from tests.integration.recipes import FILES, KUBERNETES, PROXIES, ROOT

GUIDES = ROOT / "docs" / "guides"
OF_NO_PROXY = {
    "accounts", "alerts", "api", "app-keys", "assertions", "audit", "backups", "credentials", "expiry", "keys", "mail",
    "moving-in", "pairing", "privacy", "profiles", "second-factors",
}  # fmt: skip
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))
DOCUMENTS = [(path.name, thing) for path in MANIFESTS for thing in yaml.safe_load_all(path.read_text("utf-8"))]


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused, which an API server drops without a word."""
    if isinstance(schema, dict):
        found = {name: closed(value) for name, value in schema.items()}
        if isinstance(found.get("properties"), dict) and "additionalProperties" not in found:
            found["additionalProperties"] = False
        return found
    return [closed(value) for value in schema] if isinstance(schema, list) else schema


def problems(thing: Thing) -> list[str]:
    """What the published schema of its kind has against it."""
    schema = closed(read_schema(thing))
    # An API server knows what metadata is; the schemas only say "an object".
    schema["properties"]["metadata"] = {"type": "object", "required": ["name", "namespace"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(thing)]


@pytest.mark.parametrize(
    ("name", "thing"), DOCUMENTS, ids=[f"{name}-{thing['metadata']['name']}" for name, thing in DOCUMENTS]
)
def test_manifests_keep_to_their_published_schemas(name: str, thing: Thing) -> None:
    """C-34: Middleware, IngressRoute and HTTPRoute, without a field the cluster would drop."""
    assert problems(thing) == []


def test_a_manifest_with_a_misspelt_field_is_noticed() -> None:
    """The check above can fail."""
    middleware = next(thing for _, thing in DOCUMENTS if thing["kind"] == "Middleware")
    spoilt = {**middleware, "spec": {"forwardAuth": {**middleware["spec"]["forwardAuth"], "adress": "x"}}}
    assert problems(spoilt) == ["Additional properties are not allowed ('adress' was unexpected)"]


def test_all_forms_of_the_traefik_middleware_say_the_same() -> None:
    """File, labels and Kubernetes: one check, three spellings."""
    file = yaml.safe_load((FILES / "traefik/dynamic.yml").read_text("utf-8"))["http"]["middlewares"]["doorward"]
    manifest = next(thing for _, thing in DOCUMENTS if thing["kind"] == "Middleware")["spec"]
    services = yaml.safe_load((FILES / "traefik/compose.yml").read_text("utf-8"))["services"]
    prefix = "traefik.http.middlewares.doorward.forwardAuth."
    labels = {
        label.removeprefix(prefix): value.replace("$$", "$")
        for label, value in services["doorward"]["labels"].items()
        if label.startswith(prefix)
    }
    wanted = {name: value for name, value in file["forwardAuth"].items() if name != "address"}
    assert {name: value for name, value in manifest["forwardAuth"].items() if name != "address"} == wanted
    labels.pop("address")
    assert labels == {
        name: ",".join(value)
        if isinstance(value, list)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for name, value in wanted.items()
    }


@pytest.mark.parametrize("page", sorted(GUIDES.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_holds_the_very_files_the_tests_run(page: Path) -> None:
    """A guide whose configuration is not the tested one is stale: `make docs` mends it."""
    text = page.read_text("utf-8")
    parts = re.findall(r"<!-- generated:(\S+) -->\n```\w*\n(.*?)\n```\n<!-- /generated:\1 -->", text, re.DOTALL)
    files = [name for name in re.findall(r"<!-- generated:(\S+) -->", text) if "/" in name]
    assert [name for name, _ in parts] == files  # what is no file is a table: tests/unit/test_documents.py
    for name, content in parts:
        assert content == (ROOT / name).read_text("utf-8").rstrip("\n"), name


def test_every_file_of_the_guides_stands_on_a_page() -> None:
    """No configuration without its explanation."""
    pages = "".join(page.read_text("utf-8") for page in GUIDES.glob("*.md"))
    files = [*(path for path in FILES.rglob("*") if path.is_file()), *MANIFESTS, ROOT / "deploy/haproxy/doorward.lua"]
    assert [path for path in files if path.relative_to(ROOT).as_posix() not in pages] == []


def test_each_proxy_of_the_guides_is_run_by_the_scenarios() -> None:
    """A page without a test is a promise."""
    pages = {page.stem for page in GUIDES.glob("*.md")} - {"README"} - OF_NO_PROXY
    assert pages == {name.partition("_")[0] for name in PROXIES}
