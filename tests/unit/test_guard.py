"""The source guard: no address inside, no disguise of one, and no URL that two parsers read in two ways."""

import ipaddress
import socket

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.adapters.guard import ForbiddenAddress, Unlisted, check_url, guarded_pool, is_public
from reelkeeper.domain.errors import Refused
from reelkeeper.settings import SourceSettings

SETTINGS = SourceSettings(
    hosts=frozenset({"files.example.com", ".good.example"}),
    local_hosts=frozenset({"minio:9000", "127.0.0.1:9000"}),
    max_bytes=1,
)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8"]
)
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        # This host, this network, this link, and the metadata services.
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "::1", "::", "fe80::1"),
        *("fe80::1%eth0", "fd00:ec2::254", "fc00::1", "fec0::1"),
        # Private, shared by a carrier, for benchmarks, for documents.
        *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"),
        *("198.18.0.1", "192.0.0.8", "192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "100::1"),
        # To many, or reserved.
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1"),
        # IPv4 within IPv6: mapped, compatible, NAT64, 6to4, Teredo.
        *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::10.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1"),
        *("64:ff9b::a00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:a00:1::1", "2002:808:808::1", "2001:0:53aa::1"),
        # No addresses at all, however a C library would read them.
        *("", "localhost", "127.1", "0x7f000001", "2130706433", "017700000001", "127.0.0.1 ", "[::1]", "1.2.3.4/8"),
    ],
)
def test_nothing_else_is(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_is_no_more_public_than_it_is(address: ipaddress.IPv4Address) -> None:
    assert is_public(f"::ffff:{address}") is is_public(str(address))
    wrapped = [f"64:ff9b::{address}", f"::{address}", f"2002:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}::1"]
    assert not any(is_public(one) for one in wrapped)


@given(st.ip_addresses() | st.text(max_size=40))
def test_public_addresses_are_global_ones(address: object) -> None:
    if is_public(str(address)):
        assert ipaddress.ip_address(str(address)).is_global


# URLs.


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.com/bucket/a.mp4?X-Amz-Signature=x",
        "https://files.example.com:443/a",
        "HTTPS://FILES.Example.COM/a",
        "https://a.good.example/x",
        "https://a.b.good.example/x",
        "http://minio:9000/bucket/a.mp4",
        "http://127.0.0.1:9000/a",
    ],
)
def test_a_listed_host_is_let_through(url: str) -> None:
    assert check_url(url, SETTINGS).hostname == urllib3.util.parse_url(url).host


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/a.mp4",
        "https://good.example/a",
        "https://notgood.example/a",
        "https://files.example.com.evil.example/a",
        "https://xfiles.example.com/a",
        # The same place to a resolver, and yet another name: whoever means it writes it so.
        "https://files.example.com./a",
        "https://xn--fles-xpa.example.com/a",
        "https://10.0.0.1/a",
        "https://[::1]/a",
        "https://minio/a",
    ],
)
def test_an_unlisted_host_waits_for_ncas_word(url: str) -> None:
    with pytest.raises(Unlisted, match=r"is not in SourceHosts and NCA did not confirm it; add it there"):
        check_url(url, SETTINGS)
    assert check_url(url, SETTINGS, confirmed=True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://files.example.com/a", "only https URLs are fetched"),
        ("file:///etc/passwd", "only https URLs are fetched"),
        ("gopher://files.example.com/a", "only https URLs are fetched"),
        ("//files.example.com/a", "only https URLs are fetched"),
        ("files.example.com/a", "only https URLs are fetched"),
        ("https:///a", "only https URLs are fetched"),
        ("", "only https URLs are fetched"),
        ("http://files.example.com/a", "http is allowed only for hosts in SourceLocalHosts"),
        ("http://minio/a", "http is allowed only for hosts in SourceLocalHosts"),
        ("https://files.example.com:8443/a", "only port 443 is allowed for files.example.com"),
        ("https://files.example.com:0/a", "only port 443 is allowed for files.example.com"),
        ("https://minio:9001/a", "only port 443 is allowed for minio"),
        ("https://files.example.com:99999/a", "not a URL that can be read"),
        ("https://files.example.com:x/a", "not a URL that can be read"),
        ("https://[::1/a", "not a URL that can be read"),
        ("https://me:5ecret@files.example.com/a", "a URL with a user name in it is not fetched"),
        ("https://@files.example.com/a", "a URL with a user name in it is not fetched"),
        ("https://files.example.com@evil.example/a", "a URL with a user name in it is not fetched"),
        ("http://x@minio:9000/a", "a URL with a user name in it is not fetched"),
        ("https://evil.example\\@files.example.com/a", "a URL with a user name in it is not fetched"),
        ("https://evil.example\\.good.example/a", "not the name of a host"),
        ("https://evil.example%2f.good.example/a", "not the name of a host"),
        ("https://evil.example%00.good.example/a", "not the name of a host"),
        ("https://evil.example;.good.example/a", "not the name of a host"),
        ("https://evil.example .good.example/a", "not the name of a host"),
        ("https://files.example.com\t/a", "a URL with control characters in it is not fetched"),
        ("https://files.example.com/a\r\nHost: minio", "a URL with control characters in it is not fetched"),
        ("https://evil.example[files.example.com]/a", "not "),
        ("https://evil.example\\[::1]/a", "not "),
        ("https://[::1].good.example/a", "not "),
        ("https://[fe80::1%25eth0]/a", "not the name of a host"),
        ("https://fïles.good.example/a", "not the name of a host"),
        ("https://a..good.example/a", "not the name of a host"),
        ("https://.good.example/a", "not the name of a host"),
        (f"https://{'a' * 64}.good.example/a", "not the name of a host"),
    ],
)
@pytest.mark.parametrize("confirmed", [False, True])
def test_whatever_nca_says_some_urls_are_never_fetched(url: str, said: str, confirmed: bool) -> None:
    with pytest.raises(Refused) as caught:
        check_url(url, SETTINGS, confirmed=confirmed)
    assert caught.value.reason.startswith(said)
    assert not isinstance(caught.value, Unlisted)


def test_a_refusal_shows_no_secret() -> None:
    for url in ("https://me:5ecret@x/a", "ftp://x/a?k=5ecret", "https://x/a?k=5ecret", "http://x/a?k=5ecret#5ecret"):
        with pytest.raises(Refused) as caught:
            check_url(url, SETTINGS)
        assert "5ecret" not in caught.value.reason


PIECES = st.sampled_from([*"abcz019.-_@:/\\?#[]%;& \téⓖ", "::1", "[::1]", "http://", "%2f", ":443", "evil.example", "\r\n"])


@given(st.lists(PIECES, max_size=8).map("".join), st.sampled_from(["", ".good.example/a", "[2606:4700::1111]/a"]))
def test_the_host_that_was_checked_is_the_one_that_is_connected_to(rest: str, end: str) -> None:
    url = f"https://{rest}{end}"
    try:
        checked = check_url(url, SETTINGS, confirmed=True)
        connected = urllib3.util.parse_url(url)
    except (Refused, urllib3.exceptions.LocationParseError):
        return
    assert (checked.hostname or "") == (connected.host or "").strip("[]").lower()


# Connecting.


def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    pool = guarded_pool(SETTINGS, width=1, resolver=lambda host, port: ["8.8.8.8", "169.254.169.254"])
    with pytest.raises(
        ForbiddenAddress, match=r"^files\.example\.com leads to 169\.254\.169\.254, which is not a public address$"
    ):
        pool.request("GET", "https://files.example.com/a")


@pytest.mark.parametrize("addresses", [[], None])
def test_a_name_without_an_address_is_no_connection(addresses: list[str] | None) -> None:
    def resolver(host: str, port: int) -> list[str]:
        if addresses is None:
            raise socket.gaierror("unknown")
        return addresses

    with pytest.raises(urllib3.exceptions.NewConnectionError):
        guarded_pool(SETTINGS, width=1, resolver=resolver).request("GET", "https://files.example.com/a")


def test_a_local_host_may_lead_anywhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        local = SourceSettings(
            hosts=frozenset(), local_hosts=frozenset({f"store:{port}"}), max_bytes=1, connect_s=1, read_s=0.01
        )
        pool = guarded_pool(local, width=1, resolver=lambda host, port: ["127.0.0.1"])
        # Nobody answers there, but the connection came about.
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            pool.request("GET", f"http://store:{port}/a")
        with pytest.raises(ForbiddenAddress):
            pool.request("GET", f"http://other:{port}/a")
