"""The gate on the wire: which target is an endpoint, and what a header may hold."""

import pytest

from doorward.rules.header_value import encode
from doorward.web.gate.answer import header_block
from doorward.web.gate.endpoint import find_dialect
from doorward.web.server import is_check


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (b"/api/auth/forwardauth", "traefik"), (b"/api/auth/forwardauth?x=/../y", "traefik"), (b"/api/authz/nginx", "nginx"),
        (b"/api/authz/caddy?a=b", "caddy"), (b"/api/authz/envoy/", "envoy"), (b"/api/authz/envoy/a/b?c", "envoy"),
    ],
)  # fmt: skip
def test_an_endpoint_is_one_exact_path(target: bytes, name: str) -> None:
    found = find_dialect(target)
    assert found is not None
    assert found[0].name == name


@pytest.mark.parametrize(
    "target",
    [
        b"/api/authz", b"/api/authz/", b"/api/authz/x", b"/api/authz/traefik/", b"/api/authz/TRAEFIK", b"/api/authz/traefik.",
        b"/api/auth/forwardauth/", b"/api/auth/forwardauthx", b"/api/auth/forwardauth/x", b"/api/authz/envoy", b"/api/authzx",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_still_belongs_to_the_gate(target: bytes) -> None:
    """C12: nothing under the check's prefixes can be answered by anything else."""
    assert find_dialect(target) is None
    assert is_check({"path": target.decode(), "raw_path": target})


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("Alice", b"Alice"), ("A, B", b"A, B"), ("100%", b"100%25"), ("é", b"%C3%A9"), ("Łukasz", b"%C5%81ukasz"),
        ("名前", b"%E5%90%8D%E5%89%8D"), ("\U0001f600", b"%F0%9F%98%80"), ("a\r\nb", b"a%0D%0Ab"), ("\ud800", b"?"), ("\u2028", b"%E2%80%A8"),
    ],
)  # fmt: skip
def test_any_name_is_ascii_on_the_wire(name: str, wire: bytes) -> None:
    """C02, C01."""
    assert encode(name) == wire


@pytest.mark.parametrize("value", [b"a\r\nRemote-User: root", b"a\nb", b"a\rb", b"\x00", b"\x7f", b"\x1b[0m"])
def test_a_header_with_a_control_byte_never_leaves(value: bytes) -> None:
    """C01: the second line of defence."""
    with pytest.raises(ValueError, match="control byte"):
        header_block([(b"x-forwarded-user-name", value)])
