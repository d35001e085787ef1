"""`/.well-known/security.txt`, where somebody is named for it."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from doorward.config.security_txt import SecurityTxt
from doorward.web.pages.desk import Site
from tests.fakes.door import Browser, Door

URL = "https://auth.example.test"


async def test_it_tells_contact_end_and_policy():
    """E-91; RFC 9116, 2.5: Contact and Expires are required, Expires once and less than a year ahead."""
    site = Site(URL, contacts=("mailto:security@example.com", "tel:+49-30-1"), security_policy="https://example.com/p")
    door = Door(site=site)
    answer = await Browser(door).get("/.well-known/security.txt")
    assert (answer.status, answer.header("content-type")) == (200, "text/plain; charset=utf-8")
    expires = (door.clock.now() + timedelta(days=180)).date().isoformat()
    assert answer.text.splitlines() == [
        "Contact: mailto:security@example.com",
        "Contact: tel:+49-30-1",
        f"Expires: {expires}T00:00:00Z",
        "Policy: https://example.com/p",
        f"Canonical: {URL}/.well-known/security.txt",
    ]


async def test_without_a_contact_there_is_none():
    assert (await Browser(Door()).get("/.well-known/security.txt")).status == 404


@pytest.mark.parametrize("contact", ["security@example.com", "http://example.com", "mailto:", "mailto:a@b\nExpires: x"])
def test_what_is_no_contact_is_refused(contact):
    with pytest.raises(ValidationError):
        SecurityTxt(contact=(contact,))
    with pytest.raises(ValidationError):
        SecurityTxt(policy="ftp://example.com")
    assert SecurityTxt(contact=("https://example.com/report",), policy="").contact == ("https://example.com/report",)
