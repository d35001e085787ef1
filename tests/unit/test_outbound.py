"""What may be called: how an address must be spelt, where it may lead, and what an operator can open."""

from ipaddress import IPv4Network, IPv6Network, ip_address

import pytest

from doorward.errors import InputError
from doorward.rules.outbound import (
    Allowance,
    Destination,
    OutboundPolicy,
    find_objection,
    parse_allowance,
    parse_destination,
)

PUBLIC = "93.184.216.34"


def objection(host, *addresses, port=443, allow=(), **policy):
    entries = tuple(parse_allowance(entry) for entry in allow)
    return find_objection(host, port, map(ip_address, addresses), OutboundPolicy(entries, **policy))


# How an address is spelt


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://idp.example.com", ("https", "idp.example.com", 443, "/")),
        ("https://IDP.Example.COM./a/b?c=d%20e", ("https", "idp.example.com", 443, "/a/b?c=d%20e")),
        ("https://idp.example.com?policy=p", ("https", "idp.example.com", 443, "/?policy=p")),
        ("https://idp.example.com:8443/", ("https", "idp.example.com", 8443, "/")),
        ("https://auth_server:9443/x", ("https", "auth_server", 9443, "/x")),
        ("https://xn--bcher-kva.example/", ("https", "xn--bcher-kva.example", 443, "/")),
        ("https://192.0.2.1/", ("https", "192.0.2.1", 443, "/")),
        ("https://[2001:DB8::1]:444/", ("https", "2001:db8::1", 444, "/")),
    ],
)
def test_a_plain_address_is_read_in_parts(url, parts):
    assert parse_destination(url, insecure_http=False) == Destination(*parts)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://idp.example.com:443/", "idp.example.com"),
        ("https://idp.example.com:80/", "idp.example.com:80"),
        ("http://idp.example.com:80/", "idp.example.com"),
        ("http://idp.example.com:443/", "idp.example.com:443"),
        ("https://[::1]/", "[::1]"),
        ("https://[::1]:444/", "[::1]:444"),
    ],
)
def test_the_host_header_names_a_port_only_where_it_is_not_the_usual_one(url, authority):
    assert parse_destination(url, insecure_http=True).authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "", "/", "idp.example.com", "//idp.example.com/", "https:", "https:/idp.example.com", "https:///idp.example.com",
        "HTTPS://idp.example.com/", "file:///etc/passwd", "ftp://idp.example.com/", "gopher://idp.example.com/",
        "unix:/run/x", "http+unix://x/", "data:,x", "javascript:1",
        "https://user@idp.example.com/", "https://user:secret@idp.example.com/", "https://idp.example.com@evil.test/",
        "https://idp.example.com/#x", "https://idp.example.com#@evil.test/", "https://idp.example.com\\@evil.test/",
        "https://idp.example.com/ x", "https://idp.example.com/\r\nX: y", "https://idp.example.com\t/", " https://a.test",
        "https://idp.example.com/%0d%0aX:%20y", "https://idp.example.com/%zz", "https://idp.example.com/%",
        "https://idp.example.com:/", "https://idp.example.com:0/", "https://idp.example.com:99999/",
        "https://idp.example.com:443:443/", "https://idp.example.com:+443/", "https://idp%2eexample.com/",
        "https://-idp.example.com/", "https://idp..example.com/", "https://.example.com/", "https://*.example.com/",
        "https://bücher.example/", "https://１２７.0.0.1/", "https://127。0。0。1/", "https://\u212aelvin.example/",
        "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://0/",
        "https://127.0.0.1./x/../%00", "https://1.2.3.4.5/", "https://example.0x1/", "https://256.0.0.1/",
        "https://[::1", "https://[::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[]/", "https://[v1.x]/",
        "https://idp.example.com/" + "a" * 9000,
    ],
)  # fmt: skip
def test_an_address_that_two_parsers_could_read_apart_is_refused(url):
    with pytest.raises(InputError):
        parse_destination(url, insecure_http=True)


def test_plain_http_needs_its_switch():
    with pytest.raises(InputError, match=r"outbound\.insecure_http"):
        parse_destination("http://idp.lan/", insecure_http=False)
    assert parse_destination("http://idp.lan/", insecure_http=True) == Destination("http", "idp.lan", 80, "/")


# Where it leads


def test_the_public_internet_on_the_usual_port_needs_no_permission():
    assert objection("idp.example.com", PUBLIC, "2606:2800:220:1::1") is None


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.9.9.9", "168.63.129.16", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::2", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:0a00:1::1",
        "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused_alone_and_among_others(address):
    assert objection("idp.example.com", address)
    assert objection("idp.example.com", PUBLIC, address, "2606:2800:220:1::1")
    assert objection(address, address)


@pytest.mark.parametrize("address", ["64:ff9b::5db8:d822", "::ffff:93.184.216.34"])
def test_a_public_ipv4_address_may_come_by_way_of_ipv6(address):
    assert objection("idp.example.com", address) is None


def test_a_name_without_an_address_is_refused():
    assert objection("idp.example.com") == "idp.example.com has no address"


@pytest.mark.parametrize("port", [22, 25, 80, 6379, 8443])
def test_an_odd_port_is_refused_until_it_is_named(port):
    assert f"`idp.example.com:{port}`" in (objection("idp.example.com", PUBLIC, port=port) or "")
    assert objection("idp.example.com", PUBLIC, port=port, allow=["idp.example.com"])
    assert objection("idp.example.com", PUBLIC, port=port, allow=[f"idp.example.com:{port}"]) is None
    assert objection("idp.example.com", PUBLIC, port=port, allow=[f"93.184.216.0/24:{port}"]) is None
    assert objection("idp.example.com", PUBLIC, port=port, allow=["idp.example.com:8080"])


def test_port_80_is_usual_where_plain_http_is_allowed():
    assert objection("idp.lan", "10.0.0.1", port=80, allow=["idp.lan"])
    assert objection("idp.lan", "10.0.0.1", port=80, allow=["idp.lan"], insecure_http=True) is None
    assert objection("idp.example.com", PUBLIC, port=80, insecure_http=True) is None


@pytest.mark.parametrize(
    ("host", "address", "port", "words"),
    [
        ("auth.lan", "10.0.0.5", 443, "auth.lan is at 10.0.0.5, a private address; to allow it, add `auth.lan` to"),
        ("auth.lan", "::ffff:10.0.0.5", 8443, "a private address; to allow it, add `auth.lan:8443` to"),
        ("10.0.0.5", "10.0.0.5", 443, "10.0.0.5 is a private address; to allow it, add `10.0.0.5` to"),
        ("::1", "::1", 9000, "::1 is a loopback address; to allow it, add `[::1]:9000` to"),
        ("idp.example.com", "169.254.169.254", 443, "keep their metadata; to allow it, add `169.254.169.254` to"),
        ("idp.example.com", "fe80::1%eth0", 444, "a link-local address; to allow it, add `[fe80::1]:444` to"),
        ("idp.example.com", "64:ff9b::a00:1", 443, "a private address; to allow it, add `[64:ff9b::a00:1]` to"),
    ],
)
def test_an_objection_names_the_entry_that_opens_it(host, address, port, words):
    found = objection(host, address, port=port) or ""
    assert words in found
    entry = found.split("add `")[1].split("`")[0]
    assert objection(host, address, port=port, allow=[entry]) is None


def test_a_name_opens_private_addresses_for_itself_alone():
    assert objection("auth.lan", "10.0.0.5", "fd00::5", allow=["auth.lan"]) is None
    assert objection("other.lan", "10.0.0.5", allow=["auth.lan"])
    assert objection("x.auth.lan", "10.0.0.5", allow=["auth.lan"])


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "0.0.0.0", "64:ff9b::a00:1"])
def test_a_name_does_not_open_what_no_server_of_yours_has(address):
    """Whoever answers for the name must not be able to lead us to the metadata of the cloud."""
    assert objection("auth.lan", address, allow=["auth.lan"])
    assert objection("auth.lan", address, allow=[f"[{address}]" if ":" in address else address]) is None


def test_a_network_opens_whatever_resolves_into_it():
    assert objection("any.lan", "10.1.2.3", "::ffff:10.9.9.9", allow=["10.0.0.0/8"]) is None
    assert objection("any.lan", "10.1.2.3", "11.0.0.1", "192.168.0.1", allow=["10.0.0.0/8"])
    assert objection("any.lan", "fd12::1", allow=["10.0.0.0/8", "fd12::/16"]) is None


# Ourselves


@pytest.mark.parametrize(
    ("host", "port", "address", "own"),
    [
        ("auth.example.com", 443, "10.0.0.5", "https://auth.example.com"),
        ("auth.example.com", 80, "10.0.0.5", "https://auth.example.com"),
        ("auth.example.com", 8443, "10.0.0.5", "https://auth.example.com:8443"),
        ("127.0.0.1", 9091, "127.0.0.1", "http://127.0.0.1:9091"),
        ("localhost", 9091, "127.0.0.1", "http://127.0.0.1:9091"),
        ("localhost", 9091, "::ffff:127.0.0.1", "http://0.0.0.0:9091"),
        ("localhost", 9091, "::1", "http://[::]:9091"),
        ("zero", 9091, "0.0.0.0", "http://0.0.0.0:9091"),
    ],
)
def test_we_never_call_ourselves_whatever_is_allowed(host, port, address, own):
    allow = [f"{host}:{port}", f"{address}:{port}" if "." in address and ":" not in address else f"[::1]:{port}"]
    found = objection(host, address, port=port, allow=allow, own_origins=frozenset({own}), insecure_http=True)
    assert "is this gateway itself" in (found or "")


@pytest.mark.parametrize(
    ("host", "port", "address", "own"),
    [
        ("auth.example.com", 9443, "10.0.0.5", "https://auth.example.com"),
        ("idp.example.com", 443, "10.0.0.5", "https://auth.example.com"),
        ("localhost", 9000, "127.0.0.1", "http://0.0.0.0:9091"),
        ("idp.lan", 9091, "10.0.0.5", "http://0.0.0.0:9091"),
        ("idp.lan", 9091, "10.0.0.5", "http://127.0.0.1:9091"),
    ],
)
def test_a_neighbour_of_ours_is_not_ourselves(host, port, address, own):
    found = objection(host, address, port=port, allow=[f"{host}:{port}"], own_origins=frozenset({own}))
    assert found is None


# What an operator writes


@pytest.mark.parametrize(
    ("text", "allowance"),
    [
        ("auth.lan", Allowance("auth.lan")),
        ("Auth.LAN.", Allowance("auth.lan")),
        ("auth.lan:8443", Allowance("auth.lan", port=8443)),
        ("10.0.0.0/8", Allowance(network=IPv4Network("10.0.0.0/8"))),
        ("10.0.0.0/8:8443", Allowance(network=IPv4Network("10.0.0.0/8"), port=8443)),
        ("127.0.0.1", Allowance(network=IPv4Network("127.0.0.1/32"))),
        ("127.0.0.1:9000", Allowance(network=IPv4Network("127.0.0.1/32"), port=9000)),
        ("::1", Allowance(network=IPv6Network("::1/128"))),
        ("fd00::/8", Allowance(network=IPv6Network("fd00::/8"))),
        ("[::1]", Allowance(network=IPv6Network("::1/128"))),
        ("[::1]:9000", Allowance(network=IPv6Network("::1/128"), port=9000)),
        ("[fd00::/8]:9000", Allowance(network=IPv6Network("fd00::/8"), port=9000)),
    ],
)
def test_an_entry_is_a_host_or_a_network_perhaps_with_a_port(text, allowance):
    assert parse_allowance(text) == allowance


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither a host nor a network"),
        ("auth lan", "neither a host nor a network"),
        ("аuth.lan", "neither a host nor a network"),
        ("*.lan", "neither a host nor a network"),
        ("127.1", "neither a host nor a network"),
        ("10.0.0.0/33", "neither a host nor a network"),
        ("fe80::1%eth0", "neither a host nor a network"),
        ("[::1", "neither a host nor a network"),
        ("https://auth.lan", "is a URL"),
        ("10.0.0.1/8", "write `10.0.0.0/8`"),
        ("0.0.0.0/0", "every address there is"),
        ("::/0", "every address there is"),
        ("::ffff:10.0.0.0/104", "write it as IPv4"),
        ("auth.lan:", "no port"),
        ("auth.lan:0", "no port"),
        ("auth.lan:65536", "no port"),
        ("auth.lan:http", "no port"),
        ("[::1]:", "no port"),
        ("[::1]9000", "neither a host nor a network"),
    ],
)
def test_an_entry_that_says_nothing_clear_is_refused_with_what_to_write(text, words):
    with pytest.raises(InputError, match=words):
        parse_allowance(text)
