"""Without this a client could make the relay read an inner network, or fill its memory and time."""

import asyncio
import gzip
import ipaddress
import socket
import threading
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sim.calls import OK, call
from tests.sim.certificates import Authority
from tests.sim.raw_server import Peer, RawServer, Script, replying

from switchgear.net.fetch import Fetched, Fetcher, FetchError, FetchLimits
from switchgear.net.fetch_url import check_fetch_url, shown
from switchgear.net.guard import Address, UrlRefused
from switchgear.net.lean_request import parse_origin
from switchgear.net.resolve_public import is_elsewhere, is_own
from switchgear.net.transport_lean import LeanTransport

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100
QUICK = FetchLimits(bytes_max=1000, total_bytes_max=2500, files_max=5, first_byte_timeout_s=1, timeout_s=3)


def only_one_loopback(address: Address) -> bool:
    """Stands for the public internet; the other addresses of this machine for its inner network."""
    return address in (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


def reply(body: bytes = PNG, media_type: str = "image/png", **headers: str) -> bytes:
    fields = {"content-type": media_type, "content-length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()


def by_path(replies: dict[str, bytes], seen: list[bytes] | None = None) -> Script:
    async def script(peer: Peer) -> None:
        while (request := await peer.request()) is not None:
            if seen is not None:
                seen.append(request)
            await peer.send(replies[request.split(b" ")[1].decode()])

    return script


@pytest.fixture
async def fetcher(authority: Authority) -> AsyncIterator[Fetcher]:
    made = Fetcher(only_one_loopback, authority.client_context(), QUICK, ANY_PORT)
    yield made
    await made.close()


ANY_PORT = range(1, 65536)


async def refusal(fetcher: Fetcher, *urls: str) -> FetchError:
    with pytest.raises(FetchError) as raised:
        await fetcher(urls)
    return raised.value


async def test_files_come_back_by_the_url_that_names_them(fetcher: Fetcher) -> None:
    seen: list[bytes] = []
    pages = {"/a.png": reply(), "/b?x=1&y=%20": reply(b"hello", "text/plain; charset=utf-8")}
    async with RawServer(by_path(pages, seen)) as server:
        a, b = f"{server.url}/a.png#part", f"{server.url}/b?x=1&y=%20"
        assert await fetcher([a, b, a]) == {a: Fetched("image/png", PNG), b: Fetched("text/plain", b"hello")}
        assert await fetcher([]) == {}
        assert len(seen) == 2
    for request in seen:
        head = request.lower()
        assert b"\r\naccept-encoding: identity\r\n" in head
        assert b"cookie" not in head
        assert b"authorization" not in head


async def test_letters_beyond_ascii_are_coded(fetcher: Fetcher) -> None:
    async with RawServer(by_path({"/caf%C3%A9%20a.png?q=%E6%97%A5": reply()})) as server:
        assert (await fetcher.fetch(f"{server.url}/café a.png?q=日")).data == PNG


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:{port}/",
        "http://127.2:{port}/",
        "http://0x7f000002:{port}/",
        "http://2130706434:{port}/",
        "http://0177.0.0.2:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://no-such-host.invalid/",
        "http://①②⑦.0.0.2:{port}/",
    ],
)
async def test_inner_addresses_in_any_spelling_are_not_connected_to(fetcher: Fetcher, url: str) -> None:
    async with RawServer(replying(reply()), host="0.0.0.0") as server:
        fault = await refusal(fetcher, url.format(port=server.port))
        assert fault.reason == "not_public"
        assert "no public address" in str(fault)
        assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_the_default_is_the_public_internet_alone(host: str) -> None:
    fetcher = Fetcher(ports=ANY_PORT)
    try:
        async with RawServer(replying(reply()), host="127.0.0.1") as server:
            assert (await refusal(fetcher, f"http://{host}:{server.port}/")).reason == "not_public"
            assert server.connections == 0
    finally:
        await fetcher.close()


async def test_metadata_stays_closed_whatever_is_allowed() -> None:
    fetcher = Fetcher(lambda address: True)
    try:
        assert (await refusal(fetcher, "http://169.254.169.254/")).reason == "not_public"
    finally:
        await fetcher.close()


async def test_a_host_with_one_inner_address_among_others_is_refused(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawServer(replying(reply()), host="0.0.0.0") as server:
        rows = [(2, 1, 6, "", (address, server.port)) for address in ("127.0.0.1", "127.0.0.2")]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: rows)
        assert (await refusal(fetcher, f"http://two.example:{server.port}/")).reason == "not_public"
        assert server.connections == 0


async def test_a_name_that_changes_between_two_looks_is_looked_up_once(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawServer(replying(reply()), host="0.0.0.0") as server:
        answers = ["127.0.0.1", "127.0.0.2"]
        monkeypatch.setattr(
            "socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (answers.pop(0), server.port))]
        )
        assert (await fetcher.fetch(f"http://turns.example:{server.port}/")).data == PNG
        assert answers == ["127.0.0.2"]
        assert (await refusal(fetcher, f"http://turns.example:{server.port}/")).reason == "not_public"
        assert server.connections == 1


async def test_names_that_nobody_answers_for_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    free, look_up = threading.Event(), socket.getaddrinfo

    def slow(host: str, *rest: object, **more: object) -> object:
        if host == "slow.example":
            free.wait(30)
        return look_up(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("socket.getaddrinfo", slow)
    fetcher, upstreams = Fetcher(limits=FetchLimits(connect_timeout_s=10)), LeanTransport()
    async with RawServer(replying(OK)) as server:
        lost = [asyncio.create_task(fetcher.fetch("http://slow.example/")) for _ in range(40)]
        await asyncio.sleep(0)
        try:
            assert await call(upstreams, f"http://localhost:{server.port}/") == b"hi"
            assert not any(task.done() for task in lost)
        finally:
            free.set()
            for task in lost:
                task.cancel()
            await asyncio.gather(*lost, return_exceptions=True)
            await fetcher.close()
            await upstreams.close()


def test_this_machines_own_addresses_are_not_elsewhere() -> None:
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address("8.8.8.8"))
    assert is_elsewhere(ipaddress.ip_address("8.8.8.8"))
    assert not is_elsewhere(ipaddress.ip_address("10.0.0.1"))


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(fetcher: Fetcher, status: int) -> None:
    pages = {"/a/b": redirect("../c?d", status), "/c?d": redirect("//127.0.0.1:{port}/e"), "/e": reply()}
    async with RawServer(by_path(pages)) as server:
        pages["/c?d"] = redirect(f"//127.0.0.1:{server.port}/e")
        assert (await fetcher.fetch(f"{server.url}/a/b")).data == PNG


async def test_a_redirect_in_letters_beyond_ascii(fetcher: Fetcher) -> None:
    pages = {"/": redirect("/é"), "/%C3%A9": reply()}
    async with RawServer(by_path(pages)) as server:
        assert (await fetcher.fetch(server.url)).data == PNG


async def test_a_redirect_inwards_is_not_followed_and_not_told(fetcher: Fetcher) -> None:
    async with RawServer(replying(reply()), host="127.0.0.2") as inner:
        async with RawServer(replying(redirect(f"{inner.url}/secret"))) as server:
            fault = await refusal(fetcher, f"{server.url}/a")
        assert fault.reason == "not_public"
        assert inner.connections == 0
        assert "127.0.0.2" not in str(fault)
        assert "secret" not in str(fault)


async def test_redirects_end(fetcher: Fetcher) -> None:
    async with RawServer(replying(redirect("/a"))) as server:
        assert (await refusal(fetcher, f"{server.url}/a")).reason == "redirects"
        assert server.connections == 4
    pages = {"/0": redirect("/1"), "/1": redirect("/2"), "/2": redirect("/3"), "/3": reply()}
    async with RawServer(by_path(pages)) as server:
        assert (await fetcher.fetch(f"{server.url}/0")).data == PNG


async def test_from_https_to_http_is_refused_and_https_itself_works(
    fetcher: Fetcher, authority: Authority
) -> None:
    async with RawServer(replying(reply())) as plain:
        pages = {"/": reply(), "/down": redirect(f"http://localhost:{plain.port}/")}
        async with RawServer(by_path(pages), authority.server_context()) as server:
            assert (await fetcher.fetch(server.url)).data == PNG
            assert (await refusal(fetcher, f"{server.url}/down")).reason == "bad_url"
        assert plain.connections == 0


async def test_a_certificate_for_another_host_is_refused(fetcher: Fetcher, authority: Authority) -> None:
    async with RawServer(replying(reply()), authority.server_context("other.example")) as server:
        assert (await refusal(fetcher, server.url)).reason == "tls"


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://[", "file:///etc/passwd"]
)
async def test_redirects_to_other_things_are_refused(fetcher: Fetcher, location: str) -> None:
    async with RawServer(replying(redirect(location))) as server:
        fault = await refusal(fetcher, server.url)
        assert fault.reason == "bad_url"
        assert location not in str(fault)


# What is refused before anything is connected to.


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user:hunter2@127.0.0.1/",
        "http://user:hunter2/@127.0.0.1/",
        "http://user:hunter2?@127.0.0.1/",
        "http://user:hunter2#@127.0.0.1/",
        "http://@127.0.0.1/",
        "http://",
        "http:///a",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1\\@127.0.0.2/",
        "http://127.0.0.1/\r\nx: y",
        "http://a%00b/",
        "http://[::1",
        "http://[::1%25lo]/",
        "http://" + "a." * 300 + "/",
        "http://127.0.0.1/" + "a" * 9000,
        "a.png",
        "",
    ],
)
async def test_urls_that_are_no_plain_http_are_refused(fetcher: Fetcher, url: str) -> None:
    fault = await refusal(fetcher, url)
    assert fault.reason == "bad_url"
    assert "hunter2" not in str(fault)
    assert len(str(fault)) < 400
    assert str(fault).isprintable()


@given(st.text("ahtp:/@[]%.?#\\1\u0661é。 &=;", max_size=30))
def test_a_url_that_passes_has_one_meaning(text: str) -> None:
    url = "http://" + text
    assert shown(url).isprintable()
    try:
        checked = check_fetch_url(url, ANY_PORT)
    except UrlRefused:
        return
    assert checked.isascii()
    assert check_fetch_url(checked, ANY_PORT) == checked
    host = urlsplit(checked).hostname
    assert parse_origin(checked).host == host
    assert checked.startswith((f"http://{host}/", f"http://{host}:", f"http://[{host}]"))
    assert shown(checked).startswith(("http://[", f"http://{host}"))


async def test_an_error_shows_the_url_without_its_query(fetcher: Fetcher) -> None:
    async with RawServer(replying(b"HTTP/1.1 403 No\r\ncontent-length: 6\r\n\r\nsecret")) as server:
        fault = await refusal(fetcher, f"{server.url}/a.png?sig=hunter2#frag")
    assert fault.reason == "status"
    assert fault.url_shown == f"{server.url}/a.png"
    assert "403" in str(fault)
    assert "hunter2" not in str(fault)
    assert "secret" not in str(fault)


# Bounds.


@pytest.mark.parametrize("length", ["1001", ""])
async def test_a_file_over_the_bound_is_refused_told_or_not(fetcher: Fetcher, length: str) -> None:
    async with RawServer(replying(reply(PNG * 20, content_length=length), then_close=True)) as server:
        assert (await refusal(fetcher, server.url)).reason == "too_large"


async def test_a_small_reply_that_unpacks_to_a_large_one_is_refused(fetcher: Fetcher) -> None:
    packed = gzip.compress(b"\0" * 1_000_000)
    async with RawServer(replying(reply(packed, content_encoding="gzip"))) as server:
        assert (await refusal(fetcher, server.url)).reason == "too_large"
    async with RawServer(replying(reply(content_encoding="br"))) as server:
        assert (await refusal(fetcher, server.url)).reason == "broken"


async def test_all_files_together_are_bounded(fetcher: Fetcher) -> None:
    async with RawServer(replying(reply(b"x" * 900, "text/plain"))) as server:
        assert len(await fetcher([f"{server.url}/{at}" for at in range(2)])) == 2
        assert (await refusal(fetcher, *[f"{server.url}/{at}" for at in range(3)])).reason == "too_large"


async def test_the_number_of_files_is_bounded(fetcher: Fetcher) -> None:
    async with RawServer(replying(reply())) as server:
        assert len(await fetcher([f"{server.url}/{at}" for at in range(5)])) == 5
        assert (await refusal(fetcher, *[f"{server.url}/{at}" for at in range(6)])).reason == "too_many"
        assert server.connections == 5


async def test_at_most_four_at_once_and_the_first_fault_ends_the_others(fetcher: Fetcher) -> None:
    waiting: list[Peer] = []
    closed = 0
    full, let_go = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal closed
        await peer.request()
        waiting.append(peer)
        if len(waiting) == 4:
            full.set()
        await peer.until_closed()
        closed += 1
        if closed == 4:
            let_go.set()

    async with RawServer(script) as server:
        task = asyncio.create_task(fetcher([f"{server.url}/{at}" for at in range(5)]))
        await full.wait()
        await waiting[0].send(b"HTTP/1.1 404 None\r\ncontent-length: 0\r\n\r\n")
        with pytest.raises(FetchError, match="404"):
            await task
        await asyncio.wait_for(let_go.wait(), 5)
        assert server.connections == 4


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nx"])
async def test_a_server_that_says_nothing_more_is_given_up(authority: Authority, start: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)
        await peer.until_closed()

    limits = FetchLimits(first_byte_timeout_s=0.1, idle_chunk_timeout_s=0.1)
    fetcher = Fetcher(only_one_loopback, None, limits, ANY_PORT)
    async with RawServer(script) as server:
        assert (await refusal(fetcher, server.url)).reason == "timeout"
    await fetcher.close()


async def test_a_server_that_trickles_is_given_up_after_the_whole_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)

    for limits in (FetchLimits(timeout_s=0.2), FetchLimits(total_timeout_s=0.2)):
        fetcher = Fetcher(only_one_loopback, None, limits, ANY_PORT)
        async with RawServer(script) as server:
            assert (await refusal(fetcher, server.url)).reason == "timeout"
        await fetcher.close()


async def test_a_cancelled_call_lets_go_of_its_connections(fetcher: Fetcher) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        begun.set()
        await peer.until_closed()
        ended.set()

    async with RawServer(script) as server:
        task = asyncio.create_task(fetcher([server.url]))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 5)


async def test_no_connection_is_kept(fetcher: Fetcher) -> None:
    async with RawServer(replying(reply())) as server:
        for _ in range(3):
            await fetcher.fetch(server.url)
        assert server.connections == 3


# Answers that are no file.


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", "broken"),
        (b"garbage\r\n\r\n", "broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "broken"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "status"),
        (b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "status"),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", "status"),
        (b"", "unreachable"),
    ],
)
async def test_broken_answers_are_named(fetcher: Fetcher, answer: bytes, reason: str) -> None:
    async with RawServer(replying(answer, then_close=True)) as server:
        assert (await refusal(fetcher, server.url)).reason == reason


async def test_a_closed_port_is_named(fetcher: Fetcher) -> None:
    async with RawServer(replying(reply())) as server:
        url = server.url
    assert (await refusal(fetcher, url)).reason == "unreachable"


@pytest.mark.parametrize(
    ("claimed", "body", "media_type"),
    [
        ("image/jpeg", PNG, "image/png"),
        ("application/octet-stream", b"%PDF-1.7", "application/pdf"),
        ("", PNG, "image/png"),
        ("text/html", PNG, "image/png"),
        ("image/svg+xml", b"<svg xmlns='x'/>", "image/svg+xml"),
        ("text/csv; charset=utf-8", b"a,b", "text/csv"),
        ("", b"a,b", "application/octet-stream"),
        ("", b"\n<!DOCTYPE html><p>", "text/html"),
        ("text/html", b"<html>", "text/html"),
    ],
)
async def test_the_first_bytes_tell_the_kind(
    fetcher: Fetcher, claimed: str, body: bytes, media_type: str
) -> None:
    async with RawServer(replying(reply(body, claimed))) as server:
        assert await fetcher.fetch(server.url) == Fetched(media_type, body)


@pytest.mark.parametrize("claimed", ["image/png", "audio/wav", "application/pdf"])
async def test_a_web_page_that_calls_itself_a_file_is_refused(fetcher: Fetcher, claimed: str) -> None:
    async with RawServer(replying(reply(b"<!-- x --><html><body>log in", claimed))) as server:
        assert (await refusal(fetcher, server.url)).reason == "media_type"


@pytest.mark.parametrize("port", [22, 25, 8080, 6379, 65535])
async def test_links_lead_to_ports_80_and_443_alone(port: int) -> None:
    fetcher = Fetcher(only_one_loopback)
    try:
        fault = await refusal(fetcher, f"http://127.0.0.1:{port}/a.png")
        assert fault.reason == "bad_url"
        assert f"port {port} is not fetched from (allowed: 80, 443)" in str(fault)
    finally:
        await fetcher.close()


async def test_a_redirect_leads_to_no_other_port_and_ports_can_be_set() -> None:
    seen: list[bytes] = []
    async with RawServer(by_path({"/a": reply()}, seen)) as inner:
        moved = f"HTTP/1.1 302 Found\r\nlocation: {inner.url}/a\r\ncontent-length: 0\r\n\r\n".encode()
        async with RawServer(by_path({"/b": moved})) as outer:
            fetcher = Fetcher(only_one_loopback, ports=(outer.port,))
            assert (await refusal(fetcher, f"{outer.url}/b")).reason == "bad_url"
            assert seen == []
            fetcher.ports = (outer.port, inner.port)
            assert list(await fetcher([f"{outer.url}/b"])) == [f"{outer.url}/b"]
            await fetcher.close()
