"""Where a webhook may go: rules of URLs and of the addresses behind them.

Duty: refuse, with a reason and a remedy, what could be turned against this box or its network (server-side
request forgery): other schemes, the box itself, link-local addresses such as a cloud's metadata service.
Pure: names are resolved, and the box's own addresses listed, by `webhook_post`.

Private networks are allowed: that is where a plant's maintenance system stands.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from yarl import URL

from appliance.errors import Rejected

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_URL = 2_000

# Metadata services outside link-local: AWS over IPv6, Alibaba. Those inside are never allowed either.
_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver's URL that obeys the rules, and what it may resolve to."""

    url: str
    scheme: str
    host: str
    port: int
    allow_local: bool

    @property
    def shown(self) -> str:
        """The URL without path and query, which may hold a token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_target(url: str, *, allow_http: bool = False, allow_local: bool = False) -> Target:
    """The target of a URL. Raises Rejected, naming what is wrong and what would be right."""
    if len(url) > MAX_URL or any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        raise Rejected(f"the URL is longer than {MAX_URL} signs or holds spaces or control characters")
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
    except ValueError as error:
        raise Rejected(f"{_cut(url)} is not a URL: {error}") from None
    if parsed.scheme not in ("https", "http"):
        raise Rejected(f"{_cut(url)} is not an https:// address: webhooks are sent over HTTPS alone")
    if parsed.scheme == "http" and not allow_http:
        raise Rejected(
            f"{_cut(url)} would be sent unencrypted: write https://, "
            "or set allow_http = true for a receiver inside a trusted network"
        )
    if not host:
        raise Rejected(f"{_cut(url)} names no host")
    if parsed.user is not None or parsed.password is not None:
        raise Rejected("the URL holds a user name or password: the signature says who sends, remove them")
    if not port:
        raise Rejected(f"{_cut(url)} names no usable port")
    target = Target(url, parsed.scheme, host, port, allow_local)
    literal = _literal(host)
    if literal is not None:
        check_address(target, literal, ())
    elif host.replace(".", "").isdigit():  # 127.1, 2130706433, 0177.0.0.1: resolvers disagree on them
        raise Rejected(f"{host} is an address in an odd spelling: write its four numbers")
    elif not allow_local and (host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost")):
        raise Rejected(f"{host} is this box itself: {_LOCAL_REMEDY}")
    return target


def check_address(target: Target, address: str, own_addresses: Collection[str]) -> None:
    """See that a target may be reached at an address (a zone after % is passed over). Raises Rejected."""
    ip = _inner(ipaddress.ip_address(address.partition("%")[0]))
    own = {_inner(ipaddress.ip_address(one.partition("%")[0])) for one in own_addresses}
    where = address if address == target.host else f"{target.host} ({address})"
    if ip in _METADATA:
        raise Rejected(f"{where} is a cloud's metadata service, never a receiver of webhooks")
    local = ip.is_loopback or ip.is_link_local  # Python counts ::1 as reserved, too
    if ip.is_unspecified or ip.is_multicast or (ip.is_reserved and not local):
        raise Rejected(f"{where} is no address of one receiver")
    if target.allow_local:
        return
    if ip.is_loopback or ip in own:
        raise Rejected(f"{where} is this box itself: {_LOCAL_REMEDY}")
    if ip.is_link_local:
        raise Rejected(f"{where} is a link-local address: {_LOCAL_REMEDY}")


_LOCAL_REMEDY = "name the receiver's own address, or set allow_local = true where that is meant"


def _inner(ip: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 one stands for, where it does: a disguise must not pass."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def inner_address(address: str) -> IpAddress:
    """The address that another one stands for. Raises ValueError for what is none."""
    return _inner(ipaddress.ip_address(address))


def _literal(host: str) -> str | None:
    """The host where it is an address. Other spellings (0x7f.1) are names: their answer is checked."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _cut(url: str) -> str:
    return url if len(url) <= 80 else f"{url[:77]}..."
