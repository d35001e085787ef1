"""Writes a small database of places, as the MaxMind DB format has it: enough of it for what we read."""

from ipaddress import ip_network

MARKER = b"\xab\xcd\xefMaxMind.com"


def write_mmdb(path, networks):
    """`networks`: record by network, IPv4 and IPv6."""
    data, offsets = b"", {}
    nodes = [[None, None]]
    for text, record in networks.items():
        network = ip_network(text)
        if text not in offsets:
            offsets[text] = len(data)
            data += encode(record)
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
        at = 0
        path_bits = ("0" * 96 if network.version == 4 else "") + bits
        for bit in path_bits[:-1]:
            side = int(bit)
            if nodes[at][side] is None:
                nodes.append([None, None])
                nodes[at][side] = len(nodes) - 1
            at = nodes[at][side]
        nodes[at][int(path_bits[-1])] = ("data", offsets[text])
    count = len(nodes)

    def pointer(record):
        if record is None:
            return count
        return record if isinstance(record, int) else count + 16 + record[1]

    tree = b"".join(pointer(record).to_bytes(4, "big") for node in nodes for record in node)
    about = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1,
        "database_type": "Test-City",
        "description": {"en": "places of tests"},
        "ip_version": 6,
        "languages": ["en"],
        "node_count": count,
        "record_size": 32,
    }
    path.write_bytes(tree + bytes(16) + data + MARKER + encode(about))


def encode(value):
    match value:
        case str():
            raw = value.encode()
            return head(2, len(raw)) + raw
        case float():
            import struct

            return head(3, 8) + struct.pack(">d", value)
        case int():
            raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
            return head(6, len(raw)) + raw
        case dict():
            return head(7, len(value)) + b"".join(encode(key) + encode(each) for key, each in value.items())
        case list():
            return head(11, len(value)) + b"".join(map(encode, value))
    raise TypeError(value)


def head(kind, size):
    first, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([first, kind - 7]) + more if kind > 7 else bytes([kind << 5 | first]) + more


def city(name, country, latitude, longitude, region="", radius=10):
    record = {
        "city": {"names": {"en": name}},
        "country": {"names": {"en": country}},
        "location": {"latitude": latitude, "longitude": longitude, "accuracy_radius": radius},
    }
    return record | ({"subdivisions": [{"names": {"en": region}}]} if region else {})
