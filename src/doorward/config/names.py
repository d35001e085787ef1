"""What the name of a host says about where it is."""

from ipaddress import ip_address


def is_local(host: str) -> bool:
    """Whether a host is this machine by its name alone, so that plain http stays inside it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_within(domain: str, host: str) -> bool:
    """Whether a cookie for the domain reaches the host."""
    return host == domain or host.endswith("." + domain)


def is_address(host: str) -> bool:
    """Whether a host is an address, not a name."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
