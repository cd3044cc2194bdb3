"""Without this a channel with a proxy would be called past it, or all would pay for the slower transport."""

import pytest
from tests.sim.calls import TIMEOUTS, post

from switchgear.net.choose import RoutedTransport
from switchgear.net.transport import Timeouts, UpstreamRequest, UpstreamResponse


class Noted(Exception):
    pass


class Fake:
    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        raise Noted(self.name)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def made() -> list[Fake]:
    return []


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def routed(made: list[Fake], http2_hosts: frozenset[str] = frozenset()) -> RoutedTransport:
    def other() -> Fake:
        made.append(Fake("other"))
        return made[-1]

    return RoutedTransport(Fake("lean"), other, http2_hosts)


async def taken(transport: RoutedTransport, url: str) -> str:
    with pytest.raises(Noted) as noted:
        await transport.open(post(url), TIMEOUTS)
    return str(noted.value)


async def test_ordinary_upstreams_take_the_lean_one_and_the_other_is_never_made(made: list[Fake]) -> None:
    transport = routed(made)
    assert await taken(transport, "https://api.example.com/v1") == "lean"
    assert await taken(transport, "nonsense") == "lean"
    await transport.close()
    assert made == []


async def test_http2_hosts_take_the_other(made: list[Fake]) -> None:
    transport = routed(made, frozenset({"h2.example.com"}))
    assert await taken(transport, "https://H2.example.com:8443/v1") == "other"
    assert await taken(transport, "https://h2.example.com/v2") == "other"
    assert await taken(transport, "https://h2.example.com.evil/v1") == "lean"
    assert await taken(transport, "http://[broken/v1") == "lean"
    assert len(made) == 1
    await transport.close()
    assert made[0].closed


async def test_proxies_of_the_environment_are_honoured(
    made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "internal.example,127.0.0.1")
    transport = routed(made)
    assert await taken(transport, "https://api.example.com/v1") == "other"
    assert await taken(transport, "http://api.example.com/v1") == "lean"
    assert await taken(transport, "https://internal.example/v1") == "lean"
    assert await taken(transport, "https://127.0.0.1:8000/v1") == "lean"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8000",
        "127.8.9.1",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "localhost",
        "LOCALHOST.:1",
        "me.localhost",
        "[::1]:9",
        "[::ffff:127.0.0.1]",
    ],
)
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
async def test_loopback_never_goes_through_a_proxy(
    made: list[Fake], monkeypatch: pytest.MonkeyPatch, host: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://proxy.example:3128")
    assert await taken(routed(made, frozenset({"localhost", "127.0.0.1"})), f"http://{host}/v1") == "lean"
    assert await taken(routed(made), "http://192.168.1.5/v1") == "other"


@pytest.mark.parametrize(
    ("spared", "host", "way"),
    [
        ("example.com", "api.example.com", "lean"),
        (".example.com", "api.example.com", "lean"),
        ("*.example.com", "API.example.com", "lean"),
        ("example.com", "notexample.com", "other"),
        ("a.example b.example", "b.example", "lean"),
        ("*", "api.example.com", "lean"),
        ("10.0.0.0/8, x", "10.2.3.4", "lean"),
        ("10.0.0.0/8", "11.2.3.4", "other"),
        ("10.1.2.3", "10.1.2.3", "lean"),
        ("fd00::/8", "[fd12::1]", "lean"),
        ("10.0.0.0/8", "[::ffff:10.2.3.4]", "lean"),
        ("example.com:8443", "example.com:8443", "lean"),
        ("example.com:8443", "example.com", "other"),
        ("example.com:443", "example.com", "lean"),
        ("", "example.com", "other"),
        ("nonsense/, [", "example.com", "other"),
    ],
)
async def test_no_proxy_spares_names_domains_addresses_and_networks(
    made: list[Fake], monkeypatch: pytest.MonkeyPatch, spared: str, host: str, way: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", spared)
    assert await taken(routed(made), f"https://{host}/v1") == way
