"""P6 through a real server: without it a field could be lost, or a number spelt anew, on its way.

What goes up is compared value-byte for value-byte outside the keys that the relay manages; what comes back,
byte for byte.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.e2e import settings
from tests.e2e.harness import Server

MANAGED = {"model", "messages", "stream", "stream_options", "parallel_tool_calls", "n"}
"""Set by the test, or by the relay; ``parallel_tool_calls`` may not stand without tools."""
CAPS = {"max_tokens", "max_completion_tokens", "tools", "functions", "extra_body"}
"""Keys that the relay reads, and may refuse for a value that makes no sense."""
BLANKS = st.sampled_from(["", " ", "\n\t", "  "])
NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "1.0",
        "1e3",
        "1E+2",
        "1e-7",
        "0.10",
        "1.7976931348623157e308",
        "9" * 40,
        "-12345678901234567890",
    ]
)
WORDS = st.sampled_from(
    [
        '""',
        '"\\u00e9"',
        '"é"',
        '"\\/"',
        '"\\ud83d\\ude00"',
        '"😀"',
        '"\\u0000"',
        '"a\\tb"',
        '"data: [DONE]"',
        '"\\\\"',
    ]
)


@st.composite
def _array(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    blank = draw(BLANKS)
    return f"[{blank}" + f"{blank},{blank}".join(draw(st.lists(values, max_size=3))) + f"{blank}]"


@st.composite
def _object(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """Keys may stand twice: inner objects belong to the client alone."""
    blank = draw(BLANKS)
    pairs = [f"{draw(WORDS)}{blank}:{blank}{value}" for value in draw(st.lists(values, max_size=3))]
    return f"{{{blank}" + f"{blank},".join(pairs) + f"{blank}}}"


LEAVES = st.one_of(NUMBERS, WORDS, st.sampled_from(["true", "false"]))
VALUES = st.recursive(
    LEAVES, lambda inner: _array(inner | st.just("null")) | _object(inner | st.just("null"))
)
KEYS = st.one_of(
    st.sampled_from(
        ["seed", "logit_bias", "metadata", "response_format", "x_vendor", "reasoning", "Ünknown", "a.b"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8),
).filter(lambda key: key not in MANAGED | CAPS)
FIELDS = st.lists(st.tuples(KEYS, VALUES), max_size=6)


class Rig(NamedTuple):
    server: Server
    key: str
    received: list[bytes]
    replies: list[bytes]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    received: list[bytes] = []
    replies: list[bytes] = []

    class Vendor(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(replies[-1])))
            self.end_headers()
            self.wfile.write(replies[-1])

        def log_message(self, *_: object) -> None: ...

    vendor = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    threading.Thread(target=vendor.serve_forever, daemon=True).start()
    key = settings.fresh_key()
    url = f"http://127.0.0.1:{vendor.server_address[1]}/v1"
    try:
        with Server(settings.usual(url, ["gpt-5.2"], key), workers=1) as server:
            yield Rig(server, key, received, replies)
    finally:
        vendor.shutdown()
        vendor.server_close()


def text_of(fields: list[tuple[str, str]], blank: str) -> str:
    return ",".join(
        f"{blank}{json.dumps(key, ensure_ascii=False)}{blank}:{blank}{value}" for key, value in fields
    )


def values_of(body: bytes) -> dict[str, bytes]:
    """Value bytes by key; of a key that stands twice the last."""
    return {key: bytes(raw) for key, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}


@pytest.mark.process
@given(FIELDS, FIELDS, BLANKS)
@hypothesis_settings(max_examples=60, deadline=None)
def test_values_reach_the_other_side_as_they_were_written(
    rig: Rig, asked: list[tuple[str, str]], told: list[tuple[str, str]], blank: str
) -> None:
    usage = '"usage":{"prompt_tokens":3,"completion_tokens":1.0,"total_tokens":4,"x":1e0}'
    choice = (
        '"choices":[{"index":0,"message":{"role":"assistant","content":"\\u00e9"},"finish_reason":"stop"}]'
    )
    reply = "{" + text_of([*told, ("id", '"c"')], blank) + f",{choice},{usage}}}\n"
    messages = [("model", '"gpt-5.2"'), ("messages", '[ {"role":"user","content":"\\u00e9","x":1e3} ]')]
    body = ("{" + text_of([*asked, *messages], blank) + "}").encode()
    rig.replies.append(reply.encode())
    connection = http.client.HTTPConnection("127.0.0.1", rig.server.port, timeout=20)
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {rig.key}"})
    answer = connection.getresponse()
    shown = answer.read()
    connection.close()
    assert answer.status == 200, shown
    assert shown == rig.replies[-1]
    sent, got = values_of(body), values_of(rig.received[-1])
    assert got.keys() == sent.keys()
    assert {key: got[key] for key in got if key != "model"} == {
        key: sent[key] for key in sent if key != "model"
    }
