"""The source guard: which addresses may be fetched, decided at the moment of connecting (rule 6 of the design).

A name is resolved once, every address it has is checked, and the connection goes to an address that passed: a name that
changes its mind between check and connection (DNS rebinding) gains nothing.
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from reelkeeper.domain.callback import redact
from reelkeeper.domain.errors import Refused
from reelkeeper.settings import SourceSettings

Resolve = Callable[[str, int], list[str]]

# Ranges that `is_global` calls public and that still lead inside: the ways IPv4 hides in IPv6.
_CARRIERS = tuple(
    ipaddress.ip_network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
_PORTS = {"http": 80, "https": 443}
# ASCII labels, or an IPv6 address in brackets; then a port. Anything else is read in two ways: of `https://evil.com\[::1]`
# urllib makes ::1, and urllib3, which connects, evil.com. An empty or a long label makes the resolver raise UnicodeError.
# urllib takes these out and reads on, urllib3 does not.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_LABEL = r"[a-z0-9_-]{1,63}"
_AUTHORITY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-f:]*:[0-9a-f:.]*\])(?::[0-9]*)?", re.IGNORECASE | re.ASCII)


class Unlisted(Refused):
    """The host is not on the allow-list; NCA may still confirm the URL."""


class ForbiddenAddress(Exception):
    """The name leads to an address that is not public. No OSError: urllib3 would wrap that as a connection that broke."""


def check_url(url: str, settings: SourceSettings, *, confirmed: bool = False) -> SplitResult:
    """The URL in parts if it may be fetched; raises Refused with the reason otherwise.

    `confirmed` says that NCA itself named this URL, which stands in for the allow-list but not for a public address.
    """
    shown = redact(url)
    if _CONTROLS.search(url):
        raise Refused(f"a URL with control characters in it is not fetched: {shown}")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise Refused(f"not a URL that can be read: {shown}") from None
    if parts.scheme not in _PORTS or not host:
        raise Refused(f"only https URLs are fetched: {shown}")
    if parts.username is not None or parts.password is not None:
        raise Refused(f"a URL with a user name in it is not fetched: {shown}")
    if not _AUTHORITY.fullmatch(parts.netloc):
        raise Refused(f"not the name of a host: {shown}")
    if is_local(host, port or _PORTS[parts.scheme], settings):
        return parts
    if parts.scheme != "https":
        raise Refused(f"http is allowed only for hosts in SourceLocalHosts: {shown}")
    if port not in (None, 443):
        raise Refused(f"only port 443 is allowed for {host}: {shown}")
    if not confirmed and not listed(host, settings):
        raise Unlisted(f"{host} is not in SourceHosts and NCA did not confirm it; add it there if it is yours: {shown}")
    return parts


def listed(host: str, settings: SourceSettings) -> bool:
    """Whether the host, or a domain it belongs to written as `.example.com`, is on the allow-list."""
    return any(host == one or (one.startswith(".") and host.endswith(one)) for one in settings.hosts)


def is_local(host: str, port: int, settings: SourceSettings) -> bool:
    return f"{host}:{port}" in settings.local_hosts


def is_public(address: str) -> bool:
    """Whether an address is on the open internet, whatever form it is written in."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in network for network in _CARRIERS) or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, IPv4 and IPv6, as the system's resolver gives them."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def guarded_pool(settings: SourceSettings, *, width: int, resolver: Resolve = resolve) -> urllib3.PoolManager:
    """A urllib3 pool whose every connection passes the guard; no proxy, no redirect, no retry of its own."""

    def connect(self: HTTPConnection) -> socket.socket:
        host = self.host.strip("[]").lower()
        try:
            addresses = resolver(host, self.port)
        except OSError as error:
            raise NewConnectionError(self, f"{host} has no address") from error
        if not is_local(host, self.port, settings):
            for address in addresses:
                if not is_public(address):
                    raise ForbiddenAddress(f"{host} leads to {address}, which is not a public address")
        failure: OSError | None = None
        for address in addresses:
            try:
                return socket.create_connection((address, self.port), timeout=settings.connect_s)
            except OSError as error:
                failure = error
        raise NewConnectionError(self, f"{host} did not take the connection: {failure}") from failure

    class GuardedHTTP(HTTPConnection):
        _new_conn = connect

    class GuardedHTTPS(HTTPSConnection):
        _new_conn = connect

    class HTTPPool(urllib3.HTTPConnectionPool):
        ConnectionCls = GuardedHTTP

    class HTTPSPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = GuardedHTTPS

    timeout = urllib3.Timeout(connect=settings.connect_s, read=settings.read_s)
    pool: Any = urllib3.PoolManager(num_pools=16, maxsize=width, timeout=timeout, retries=False)
    pool.pool_classes_by_scheme = {"http": HTTPPool, "https": HTTPSPool}
    checked: urllib3.PoolManager = pool
    return checked
