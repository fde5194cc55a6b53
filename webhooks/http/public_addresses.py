"""Which IP addresses are on the public Internet. Webhooks go to no others, so that a URL cannot reach this network's own servers.

Our own list and not `ipaddress.is_global`, whose answer differs between Python releases. From the IANA special-purpose
address registries (RFC 6890 and its updates): everything that is not globally reachable unicast is refused.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

NON_PUBLIC_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
    )
]
GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
NON_PUBLIC_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address, deprecated
        "3fff::/20",  # documentation
    )
]
# RFC 6052: how a host without IPv4 reaches an IPv4 address; as public as the address inside.
NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """True for globally reachable unicast alone. An IPv4 address wrapped in IPv6 counts as what it is."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NON_PUBLIC_V4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in GLOBAL_UNICAST_V6 and not any(address in network for network in NON_PUBLIC_V6)
