"""Where a webhook may lead: never to an inner host that the settings do not name, however the URL is written."""

import ipaddress
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.addresses import (
    Resolve,
    Target,
    checked_addresses,
    is_inner,
    open_connection,
    parse_target,
    resolved,
)
from domain.errors import InputError, Unavailable

INNER = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "168.63.129.16", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
)  # fmt: skip
OUTER = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8")

# Written so that one program reads an outer host in them and another an inner one, or nothing that we would call at all.
REFUSED_URLS = (
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/",
    "http://127.1/", "http://127.0.1/", "http://0/", "http://0x/", "http://0x0/", "http://256.1.1.1/", "http://1.1.1.1.1/",
    "http://127.0.0.01/", "http://00000000177.0.0.1/", "http://example.0x7f/", "http://example.1/",
    "http://１２７.1/", "http://0x7f。1/",
    "http://user@hooks.example/", "http://user:password@hooks.example/", "http://hooks.example@127.0.0.1/",
    "http://127.0.0.1@hooks.example/", "http://@127.0.0.1/", "http://hooks.example:80@127.0.0.1:8080/",
    "http://hooks.example\\@127.0.0.1/", "http:\\\\127.0.0.1/", "http://127.0.0.1\\.hooks.example/",
    "http://hooks.example/ HTTP/1.1\r\nHost: x", "http://hooks.example/\r\nX: y", "http://hooks.exa\tmple/", "http://hooks.example\n/",
    " http://hooks.example/", "http://hooks.example/\x00", "http://hooks example/",
    "http://[::1", "http://[::1%25lo]/", "http://[fe80::1%eth0]/", "http://[v1.x]/", "http://[::ffff:127.0.0.1.]/",
    "http://hooks.example:0/", "http://hooks.example:65536/", "http://hooks.example:-1/", "http://hooks.example:http/",
    "http://%31%32%37.0.0.1/", "http://hooks..example/", "http://.hooks.example/", "http://-/", "http://-hooks.example/", "http://hooks-/",
    "http://a,b/", "http://a;b/", "http://a'b/", "http://$(id)/", "http://*/", "http:///path", "http:hooks.example", "//hooks.example/",
    "hooks.example", "", "ftp://hooks.example/", "file:///etc/passwd", "gopher://127.0.0.1:25/", "javascript:alert(1)", "HTTPX://x/",
)  # fmt: skip


def answering(*addresses: str) -> Resolve:
    def answer(_host: str, _port: int, _limit_s: float) -> tuple[str, ...]:
        return addresses

    return answer


def target_of(url: str) -> Target:
    return parse_target(url)


def checked(url: str, *addresses: str, allow: frozenset[str] = frozenset()) -> tuple[str, ...]:
    return checked_addresses(parse_target(url), allow=allow, resolve=answering(*addresses), limit_s=1.0)


@pytest.mark.parametrize("address", INNER)
def test_an_address_of_the_inner_world_is_refused(address: str) -> None:
    assert is_inner(ipaddress.ip_address(address))
    with pytest.raises(InputError, match="KAWASAN_WEBHOOK_ALLOW"):
        checked("https://hooks.example/", address)


@pytest.mark.parametrize("address", OUTER)
def test_an_address_of_the_outer_world_is_reached(address: str) -> None:
    assert checked("https://hooks.example/", address) == (str(ipaddress.ip_address(address)),)


@given(st.ip_addresses(v=4))
def test_an_address_is_inner_whichever_way_an_ipv6_address_stands_for_it(address: ipaddress.IPv4Address) -> None:
    for before in ("::ffff:0:0", "64:ff9b::"):
        assert is_inner(ipaddress.IPv6Address(int(ipaddress.IPv6Address(before)) + int(address))) == is_inner(address)


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_that_programs_do_not_read_alike_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_target(url)

    assert "password" not in str(caught.value) or "leave them out" in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_target_or_a_sentence(text: str) -> None:
    for url in (text, f"http://{text}", f"https://{text}/x", f"http://hooks.example/{text}"):
        try:
            found = parse_target(url)
        except InputError:
            continue
        assert found.host.isascii()
        assert found.path.isascii()
        assert found.path.isprintable()
        assert " " not in found.path


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "path"),
    [
        ("https://hooks.example/alarms?park=p#there", "hooks.example", 443, True, "/alarms?park=p"),
        ("HTTP://Hooks.Example.:8080", "hooks.example", 8080, False, "/"),
        ("https://bücher.example/ä", "xn--bcher-kva.example", 443, True, "/%C3%A4"),
        ("https://[2606:4700:0::1111]:8443/", "2606:4700::1111", 8443, True, "/"),
        ("http://1.1.1.1/?a=%20b", "1.1.1.1", 80, False, "/?a=%20b"),
        ("http://alarms_1/", "alarms_1", 80, False, "/"),
    ],
)
def test_a_url_is_read(url: str, host: str, port: int, tls: bool, path: str) -> None:
    assert parse_target(url) == Target(host=host, port=port, tls=tls, path=path)


def test_full_width_digits_are_judged_as_the_address_they_stand_for() -> None:
    assert parse_target("http://１２７。０。０。１/").host == "127.0.0.1"


@pytest.mark.parametrize("url", ["http://localhost/", "http://LOCALHOST./", "http://127.0.0.1/", "http://[::1]:80/"])
def test_this_machine_is_refused_by_the_names_that_it_has(url: str) -> None:
    with pytest.raises(InputError, match="is an inner host"):
        checked_addresses(parse_target(url), allow=frozenset(), resolve=resolved, limit_s=5.0)


@pytest.mark.parametrize("inner", ["10.0.0.1", "::1", "::ffff:192.168.1.1"])
@pytest.mark.parametrize("first", [True, False])
def test_a_name_with_an_outer_and_an_inner_address_is_refused(inner: str, first: bool) -> None:
    answer = (inner, "1.1.1.1") if first else ("1.1.1.1", inner)

    with pytest.raises(InputError, match="is an inner host"):
        checked("https://hooks.example/", *answer)


@pytest.mark.parametrize(
    ("url", "allowed", "is_reached"),
    [
        ("http://alarms.plant.local/", "alarms.plant.local", True),
        ("http://alarms.plant.local:8080/", "alarms.plant.local", True),
        ("http://alarms.plant.local:8080/", "alarms.plant.local:8080", True),
        ("http://alarms.plant.local/", "alarms.plant.local:8080", False),
        ("http://other.plant.local/", "alarms.plant.local", False),
        ("http://alarms.plant.local.evil.example/", "alarms.plant.local", False),
        ("http://[fd00::7]:8080/", "[fd00::7]:8080", True),
        ("http://[fd00::7]:8080/", "fd00::7", True),
    ],
)
def test_an_inner_host_is_reached_where_the_setting_names_it(url: str, allowed: str, is_reached: bool) -> None:
    allow = frozenset({allowed})

    if is_reached:
        assert checked(url, "10.0.0.7", allow=allow) == ("10.0.0.7",)
    else:
        with pytest.raises(InputError, match="is an inner host"):
            checked(url, "10.0.0.7", allow=allow)


def test_a_refusal_does_not_show_the_path_nor_where_the_name_leads() -> None:
    with pytest.raises(InputError) as caught:
        checked("https://hooks.example/services/T0/hidden", "10.1.2.3")

    assert "hidden" not in f"{caught.value} {target_of('https://hooks.example/services/T0/hidden')!r}"
    assert "10.1.2.3" not in str(caught.value)


def test_a_name_that_has_no_address_may_have_one_later() -> None:
    with pytest.raises(Unavailable, match="has no address"):
        checked("https://hooks.example/")
    with pytest.raises(Unavailable, match=r"name nowhere\.invalid cannot be resolved"):
        resolved("nowhere.invalid", 443, 10.0)


def test_a_resolver_that_does_not_answer_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def wait(*_: object, **_rest: object) -> list[object]:
        answer.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)

    with pytest.raises(Unavailable, match=r"was not resolved within 0\.05 s"):
        resolved("hooks.example", 443, 0.05)
    answer.set()


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on 127.0.0.1 that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_connection_goes_to_the_first_address_that_takes_it_and_resolves_nothing(
    listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*asked: object, **_: object) -> None:
        raise AssertionError(asked)

    monkeypatch.setattr(socket, "getaddrinfo", never)

    with open_connection(("127.0.0.2", "127.0.0.1"), listening, limit_s=5.0) as connected:
        assert connected.getpeername() == ("127.0.0.1", listening)


def test_where_no_address_takes_it_the_last_error_is_told(listening: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        open_connection(("127.0.0.2", "127.0.0.3"), listening, limit_s=5.0)
