"""``switchgear channels test`` and what follows a change, against real sockets on this machine.

Without these, a working channel could be reported as broken, a broken one as fine, or a change could stay
unseen by a running server.
"""

import asyncio
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import typer

from switchgear.cli.probe import probe_all
from switchgear.cli.pushed import push_changes
from switchgear.kernel.config import ChannelConfig
from switchgear.kernel.dialects import DIALECTS
from switchgear.kernel.home import Home
from switchgear.link.protocol import (
    Failed,
    LocalAddress,
    LocalEndpoint,
    Refresh,
    Refreshed,
    Result,
    WorkerCall,
)
from switchgear.link.unix import LinkServer
from switchgear.store.channels import ChannelRow
from switchgear.vendors.shipped import shipped

CALLS = {
    "/v1/chat/completions": ("authorization", "Bearer sk-right", "messages"),
    "/v1/responses": ("authorization", "Bearer sk-right", "input"),
    "/v1/messages": ("x-api-key", "sk-right", "max_tokens"),
    "/v1beta/models/upstream-name:generateContent": ("x-goog-api-key", "sk-right", "contents"),
}
"""Path → header of the key, its value, and a key of the body that the dialect needs."""


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers the call of each dialect with the right key; everything else is an error in OpenAI form."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = msgspec.json.decode(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.removeprefix("http://upstream.example")  # a proxy is asked for a whole URL
        header, value, needed = CALLS.get(path, ("authorization", "", ""))
        names_it = body.get("model") == "upstream-name" or "upstream-name" in self.path
        good = self.headers[header] == value and needed in body and names_it
        told = {} if good else {"error": {"message": "Incorrect\nAPI key"}}
        data = msgspec.json.encode(told)
        self.send_response(200 if good else 401)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def row(**changes: object) -> ChannelRow:
    channel = ChannelConfig("c", "compatible", models=("m",), model_map={"m": "upstream-name"}, enabled=True)
    return ChannelRow("id", msgspec.structs.replace(channel, **changes))


async def test_an_answer_is_ok_and_an_error_is_told_in_the_upstreams_words(
    base_url: str, tmp_path: Path
) -> None:
    rows = [row(base_url=base_url, keys=("sk-right",)), row(base_url=base_url, keys=("sk-wrong",))]
    good, bad = await probe_all(Home(tmp_path), rows, shipped())
    assert (good.status, good.error) == (200, "")
    assert (bad.status, bad.error) == (401, "Incorrect API key")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_channel_is_asked_in_a_dialect_that_it_speaks(
    base_url: str, tmp_path: Path, dialect: str
) -> None:
    (probe,) = await probe_all(
        Home(tmp_path), [row(base_url=base_url, keys=("sk-right",), dialects=(dialect,))], shipped()
    )
    assert (probe.status, probe.error) == (200, "")


async def test_a_channel_behind_a_proxy_is_asked_through_it(
    base_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", base_url.removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    behind = row(base_url="http://upstream.example/v1", keys=("sk-right",))
    beside = row(base_url=base_url, keys=("sk-right",))
    probes = await probe_all(Home(tmp_path), [behind, beside], shipped())
    assert [(probe.status, probe.error) for probe in probes] == [(200, ""), (200, "")]


async def test_what_cannot_be_asked_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    rows = [
        row(vendor="gone"),
        row(models=(), model_map={}),
        row(base_url="http://h", keys_env="NO_SUCH_KEY"),
        row(),
        ChannelRow("id", ChannelConfig("l", "local", models=("smollm2-135m-instruct",))),
    ]
    errors = [probe.error for probe in await probe_all(Home(tmp_path), rows, shipped())]
    parts = ("unknown vendor", "serves no model", "NO_SUCH_KEY", "base URL", "no server runs")
    for error, part in zip(errors, parts, strict=True):
        assert part in error


class Controller:
    """A link server in a thread that gives one answer to every call."""

    def __init__(self, home: Home, answer: Result) -> None:
        self._home, self._answer = home, answer
        self.calls: list[WorkerCall] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Controller":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = LinkServer(
            lambda _, __: None,
            lambda peer, seq, body: (self.calls.append(body), peer.answer(seq, self._answer))[0],
            lambda _, __: None,
            lambda _, __: None,
        )
        await server.start(self._home.link_address())
        self._ready.set()
        await self._stop.wait()
        await server.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.create()
    return home


def test_a_running_server_is_told_of_a_change(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with Controller(home, Refreshed(7, 2)) as controller:
        push_changes(home.path)
    assert controller.calls == [Refresh()]
    assert capsys.readouterr().err == "In force on 2 workers (version 7).\n"


def test_a_change_that_the_server_refuses_fails_the_command(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with Controller(home, Failed("no such vendor")), pytest.raises(typer.Exit) as ended:
        push_changes(home.path)
    assert ended.value.exit_code == 1
    assert "no such vendor" in capsys.readouterr().err


def test_without_a_server_a_change_is_only_stored(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    push_changes(home.path)
    assert "the next start uses it" in capsys.readouterr().err


async def test_the_embedded_model_is_asked_where_the_controller_says(base_url: str, home: Home) -> None:
    with Controller(home, LocalAddress(base_url, "sk-right")) as controller:
        embedded = ChannelConfig("l", "local", models=("m",), model_map={"m": "upstream-name"})
        (probe,) = await probe_all(home, [ChannelRow("id", embedded)], shipped())
    assert controller.calls == [LocalEndpoint("m")]
    assert (probe.status, probe.error) == (200, "")
