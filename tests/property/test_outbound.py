"""Whatever is written and whatever it resolves to: nothing is called but what is public or was opened."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import ada_url
from hypothesis import assume, example, given
from hypothesis import strategies as st

from doorward.errors import InputError
from doorward.rules.outbound import OutboundPolicy, find_objection, parse_allowance, parse_destination

WORDS = """https:// http:// HTTPS:// // / \\ @ : ? # %2f %00 %0d%0a . .. ; idp.example.test evil.test 127.0.0.1 127.1 0x7f.1
2130706433 0177.0.0.1 [::1] [::ffff:127.0.0.1] [ ] :443 :8443 :0 \u3002 \uff0e \uff11 \u212a \u017f xn--a - _ & ="""
PIECES = st.sampled_from([*WORDS.split(), "\t", "\r\n", " ", "\x00"])
URLS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=6).map(lambda pieces: "https://" + "".join(pieces)),
    st.lists(PIECES, max_size=6).map(lambda pieces: "https://idp.example.test" + "".join(pieces)),
    st.text(max_size=40).map("https://".__add__),
)
ADDRESSES = st.one_of(
    st.ip_addresses(),
    st.ip_addresses(v=4).map(lambda address: IPv6Address(f"::ffff:{address}")),
    st.ip_addresses(v=4).map(lambda address: IPv6Address(f"64:ff9b::{address}")),
    st.ip_addresses(v=4).map(lambda address: IPv6Address(f"::{address}")),
    st.ip_addresses(v=4).map(lambda address: IPv6Address(f"2002:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}::")),
    st.ip_addresses(network="fe80::/10"),
)
ENTRIES = st.sampled_from(
    [
        "idp.example.test",
        "idp.example.test:8443",
        "10.0.0.0/8",
        "127.0.0.1:8443",
        "::1",
        "[fd00::/8]:8443",
        "1.1.1.0/24",
    ]
)
PORTS = st.sampled_from([80, 443, 8443])


@given(URLS)
@example("https://idp.example.test:443/")
@example("https://idp.example.test./?a")
@example("https://idp.example.test/a|b")
def test_what_is_accepted_is_read_by_others_as_we_read_it(url):
    try:
        found = parse_destination(url, insecure_http=True)
    except InputError:
        return
    browser = ada_url.URL(url)
    assert browser.hostname.removesuffix(".").strip("[]") == found.host
    assert (browser.port or {"https:": "443", "http:": "80"}[browser.protocol]) == str(found.port)
    assert (browser.username, browser.password, browser.hash) == ("", "", "")
    library = urlsplit(url)
    assert (library.hostname or "").removesuffix(".") == found.host or ":" in found.host
    assert found.target.startswith("/")
    assert found.target.isascii()
    assert not set(found.target + found.host) & set(" \t\r\n\x00\\@#") - set("@")


@given(URLS)
@example("https://127.1/")
@example("https://0x7f000001/")
@example("https://0177.0.0.1/")
@example("https://2130706433/")
@example("https://127.0.0.1./")
def test_no_spelling_of_an_address_passes_for_a_name(url):
    """What the system takes for an address without asking anybody, we have seen as that address."""
    try:
        host = parse_destination(url, insecure_http=True).host
    except InputError:
        return
    try:
        packed = socket.inet_aton(host)
    except OSError:
        return
    assert ip_address(host) == IPv4Address(packed)


@given(ADDRESSES, PORTS)
def test_nothing_that_is_not_public_is_called_unasked(address, port):
    plain = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
    assume(not plain.is_global)
    assert find_objection("idp.example.test", port, [address], OutboundPolicy(insecure_http=True)) is not None


@given(st.lists(ADDRESSES, min_size=1, max_size=5), PORTS, st.lists(ENTRIES, max_size=3), st.randoms())
def test_a_host_is_called_only_where_every_one_of_its_addresses_may_be(addresses, port, entries, shuffled):
    policy = OutboundPolicy(tuple(map(parse_allowance, entries)))
    alone = [find_objection("idp.example.test", port, [address], policy) for address in addresses]
    together = find_objection("idp.example.test", port, addresses, policy)
    assert (together is None) == all(objection is None for objection in alone)
    shuffled.shuffle(addresses)
    assert (find_objection("idp.example.test", port, addresses, policy) is None) == (together is None)


@given(ADDRESSES, PORTS, st.lists(ENTRIES, max_size=3), ENTRIES)
def test_an_entry_more_only_opens(address, port, entries, another):
    few = OutboundPolicy(tuple(map(parse_allowance, entries)))
    more = OutboundPolicy(tuple(map(parse_allowance, [*entries, another])))
    if find_objection("idp.example.test", port, [address], few) is None:
        assert find_objection("idp.example.test", port, [address], more) is None


@given(ADDRESSES, PORTS)
def test_the_entry_an_objection_names_opens_it(address, port):
    objection = find_objection("idp.example.test", port, [address], OutboundPolicy())
    assume(objection is not None)
    entry = parse_allowance(objection.split("add `")[1].split("`")[0])
    assert find_objection("idp.example.test", port, [address], OutboundPolicy((entry,))) is None
