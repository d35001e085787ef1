"""Profiles at other addresses than https with a domain."""

from pathlib import Path

from tests.integration.processes import free_ports
from tests.profiles.gateway import Gateway, serve


def test_the_strict_cookie_of_one_host_has_the_stronger_prefix(tmp_path: Path) -> None:
    """A cookie of this name has no domain, so nobody beside this host can plant it."""
    with serve(tmp_path, "strict", cookie="__Host-doorward") as gateway:
        visitor = gateway.visitor().sign_in("alice")
        attributes = visitor.told["__Host-doorward"].attributes
        assert "domain" not in attributes
        assert attributes["secure"] == ""
        assert visitor.is_signed_in()


def test_traefik_managers_cookie_goes_without_secure_until_it_is_asked_for(tmp_path: Path) -> None:
    """A-11, A-37: at localhost, and without HSTS."""
    with serve(tmp_path, "traefik-manager", cookie="session", url=address()) as gateway:
        check_plain(gateway)


def test_traefik_managers_secure_cookie_over_plain_http_is_a_sentence_and_no_silence(tmp_path: Path) -> None:
    """A-11: browsers would drop the cookie, and nobody would know why they are not signed in."""
    told = {"COOKIE_SECURE": "true"}
    with serve(tmp_path, "traefik-manager", cookie="session", url=address(), variables=told) as gateway:
        page = gateway.visitor().get("/login")
        assert page.status_code == 400
        assert "Please use https" in page.text


def address() -> str:
    """An address of this machine."""
    return f"http://auth.door.localhost:{free_ports(1)[0]}"


def check_plain(gateway: Gateway) -> None:
    visitor = gateway.visitor().sign_in("alice")
    assert "secure" not in visitor.told["session"].attributes
    assert visitor.told["session"].attributes["samesite"] == "Lax"
    assert "strict-transport-security" not in visitor.get("/account").headers
    assert visitor.is_signed_in()
