"""Which addresses alerts may be sent to."""

import pytest

from doorward.errors import InputError
from doorward.rules.alert_target import SCHEMES, parse_target

TOKEN = "tk_s3cret"


@pytest.mark.parametrize(
    "url",
    ["ntfys://ntfy.example.test/topic", "NTFY://10.0.0.5:8080/t", f"tgram://{TOKEN}/1", "mailtos://u:p@example.test"],
)
def test_services_that_speak_http_or_mail_are_targets(url):
    assert parse_target(url) == url.partition(":")[0].lower()


@pytest.mark.parametrize(
    "scheme",
    [
        "file",
        "syslog",
        "rsyslog",
        "dbus",
        "gio",
        "glib",
        "gnome",
        "kde",
        "qt",
        "windows",
        "macosx",
        "growl",
        "apprise",
        "mqtt",
        "mqtts",
        "smpp",
        "irc",
        "ircs",
        "blink1",
        "atalk",
        "deltachat",
        "xmpp",
        "http",
        "https",
        "exec",
        "ldap",
    ],
)
def test_nothing_else_is_one(scheme):
    assert scheme not in SCHEMES
    with pytest.raises(InputError, match="none of the services"):
        parse_target(f"{scheme}://somewhere/{TOKEN}")


@pytest.mark.parametrize(
    "url", ["", "ntfys:/x", "ntfys://", "ntfys://a b", "ntfys://a\n", "ntfys://" + "a" * 2000, "ä://x"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InputError, match="not the address of a target"):
        parse_target(url)


@pytest.mark.parametrize(
    "option",
    ["verify=no", "redirect=yes", "template=/etc/passwd", "attach=/etc/passwd", "pgp=yes", "smimekey=/x", "Retry=9"],
)
def test_an_address_neither_weakens_the_call_nor_reads_files(option):
    spelt = [f"%{ord(option[0]):02x}{option[1:]}", f"+{option}", f"%20{option}", option.replace("=", "%20=")]
    spelt += [option.partition("=")[0], f"%25{ord(option[0]):02X}{option[1:]}"]
    for other in spelt:
        with pytest.raises(InputError, match="must not say"):
            parse_target(f"ntfys://ntfy.example.test/topic?a=b&{other}")
    for mark in ("?", "?a=b&", "?a=b;"):
        with pytest.raises(InputError, match="must not say"):
            parse_target(f"ntfys://ntfy.example.test/{TOKEN}{mark}{option}")


def test_what_is_wrong_with_an_address_is_said_without_it():
    for url in (f"file://{TOKEN}", f"ntfys://a {TOKEN}", f"ntfys://a/{TOKEN}?verify=no"):
        with pytest.raises(InputError) as refused:
            parse_target(url)
        assert TOKEN not in str(refused.value)
