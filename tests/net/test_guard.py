"""Without this a URL could lead to a machine's credentials, in one of the many spellings of an address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.net.guard import UrlRefused, check_operator_url, is_metadata, is_public, literal_address

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2001:200::1",
    "2620:4f:8001::1",
    "192.0.1.1",
    "192.88.98.255",
    "192.88.100.0",
    "223.255.255.255",
    "100.63.255.255",
    "100.128.0.0",
]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.0",
    "192.88.99.1",
    "192.88.99.255",
    "192.175.48.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "100:0:0:1::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "5f00::1",
    "4000::1",
    "2001::1",
    "2001:1::1",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2620:4f:8000::1",
    "2002:808:808::1",
    "::ffff:192.88.99.1",
    "64:ff9b::c058:6301",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::10.0.0.1",
    "::ffff:0:127.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::a00:1",
    "64:ff9b:1::808:808",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:a00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2606:4700::5efe:127.0.0.1",
    "2606:4700::200:5efe:10.0.0.1",
    "fe80::5efe:8.8.8.8",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4).filter(lambda address: not is_public(address)))
def test_no_embedding_makes_an_address_public(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for prefix, shift in (
        ("::ffff:0:0", 0),
        ("::", 0),
        ("64:ff9b::", 0),
        ("64:ff9b:1::", 0),
        ("2002::", 80),
        ("::ffff:0:0:0", 0),
        ("2606:4700::5efe:0:0", 0),
        ("2606:4700:0:0:200:5efe:0:0", 0),
    ):
        embedded = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | number << shift)
        assert not is_public(embedded), embedded


SPELLINGS = [
    "169.254.169.254",
    "169.254.43518",
    "169.16689662",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "025177524776",
    "0251.254.0xa9.254",
    "169.254.169.254.",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[::a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[2606:4700::5efe:a9fe:a9fe]",
    "metadata.google.internal",
    "METADATA",
    "metadata.google.internal.",
    "100.100.100.200",
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_metadata_is_refused_in_every_spelling(host: str) -> None:
    for url in (f"http://{host}/v1", f"https://{host}:8080/latest", f"http://{host}"):
        with pytest.raises(UrlRefused):
            check_operator_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "file:///etc/passwd",
        "//example.com",
        "example.com",
        "http://",
        "http:///x",
        "http://user@example.com",
        "http://user:pw@example.com",
        "http://example.com@169.254.169.254",
        "http://example.com/?a=b",
        "http://example.com/#x",
        "http://example.com/?",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://[::1",
        "http://exa mple.com",
        "http://example.com/\r\nx",
        "",
        "http://example.com\\@evil",
        "http://①②⑦.⓪.⓪.①",
        "http://[fe80::1%25eth0]/",
        "javascript:alert(1)",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        check_operator_url(url)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://10.0.0.5/openai//", "http://10.0.0.5/openai"),
        ("http://localhost:11434", "http://localhost:11434"),
        ("http://my-model.internal/v1", "http://my-model.internal/v1"),
    ],
)
def test_operators_may_use_their_own_network(url: str, kept: str) -> None:
    assert check_operator_url(url) == kept


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0x7f000001", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("1.2.3", "1.2.0.3"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_literal_addresses(host: str, expected: str) -> None:
    assert str(literal_address(host)) == expected


NAMES = ["example.com", "1.2.3.4.5", "256.1.1.1", "1.2.65536", "4294967296", "", "08.1.1.1", "1..2", "-1"]


@pytest.mark.parametrize("host", NAMES)
def test_names_are_not_addresses(host: str) -> None:
    assert literal_address(host) is None


@given(st.text(max_size=80))
def test_any_text_is_judged_without_another_error(text: str) -> None:
    for url in (text, f"http://{text}"):
        try:
            check_operator_url(url)
        except UrlRefused:
            continue
    literal_address(text)


def test_metadata_needs_an_address() -> None:
    assert not is_metadata(None)
    assert not is_metadata(ipaddress.ip_address("169.254.169.253"))
