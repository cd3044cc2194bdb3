"""P11 over a whole run: without it a key could stand in a database, log, error, list or command line."""

import asyncio
import base64
import http.client
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.e2e import client, processes, settings
from tests.e2e.harness import Server

UPSTREAM = "sk-upstream-" + "Qz7Kp" * 6
ODD = "Px" + "4mNq8" * 6
"""A second key, in no known form."""
HEADER = "header-credential-" + "Wv3Rt" * 6
QUESTION = [{"role": "user", "content": "Hello."}]
PROC = ("cmdline", "environ")
MODELS = ["plain", "echo-400", "echo-401", "echo-500", "echo-stream"]
LISTS = [
    ("channels", "list"),
    ("channels", "list", "--json"),
    ("channels", "test"),
    ("keys", "list"),
    ("keys", "list", "--json"),
    ("users", "list", "--json"),
    ("usage",),
    ("usage", "--json"),
    ("models", "--json"),
    ("audit", "--json"),
]


class EchoingVendor(BaseHTTPRequestHandler):
    """Repeats the credential that it was given, in answers, errors and headers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200, {"object": "list", "data": []})

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = f"Key {self.headers['authorization']} / {UPSTREAM} / {HEADER} / {ODD} is wrong."
        error = {"error": {"message": words, "type": "t", "code": ODD, "param": HEADER}}
        kind, _, detail = call["model"].partition("-")
        if kind == "plain":
            message = {"role": "assistant", "content": "Hi."}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            self.answer(200, {"choices": choices, "usage": usage})
        elif detail == "stream":
            delta = {"choices": [{"index": 0, "delta": {"content": "Hi."}, "finish_reason": None}]}
            body = f"data: {json.dumps(delta)}\n\ndata: {json.dumps(error)}\n\n"
            self.answer(200, body, "text/event-stream")
        else:
            self.answer(int(detail), error)

    def answer(self, status: int, item: object, kind: str = "application/json") -> None:
        body = item.encode() if isinstance(item, str) else json.dumps(item).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", f"req_{ODD}")
        self.send_header("openai-version", HEADER)
        self.send_header("www-authenticate", f"Bearer {UPSTREAM}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def vendor_url() -> Iterator[str]:
    vendor = ThreadingHTTPServer(("127.0.0.1", 0), EchoingVendor)
    threading.Thread(target=vendor.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{vendor.server_address[1]}/v1"
    vendor.shutdown()
    vendor.server_close()


def config(url: str, key: str) -> str:
    channels = [
        settings.table(
            "channels",
            name=f"of-{model}",
            vendor="compatible",
            base_url=url,
            keys=[UPSTREAM, ODD],
            headers={"x-extra": f"Token {HEADER}"},
            models=[model],
        )
        for model in MODELS
    ]
    start = [settings.server(log_level="debug"), settings.group(), settings.user(), settings.key(key)]
    return "\n".join([*start, *channels, *(settings.price(model) for model in MODELS)])


def spellings(secret: bytes) -> list[bytes]:
    """Plain, hexadecimal, and base64 at each of the three offsets it may have inside longer data."""
    found = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + secret).rstrip(b"=")
        inner = whole[shift + 1 if shift else 0 : -1]
        found += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    return found


def found_in(places: dict[str, bytes], secrets: dict[str, bytes]) -> list[str]:
    return [
        f"{name} in {place}"
        for place, data in places.items()
        for name, secret in secrets.items()
        if any(one in data for one in spellings(secret))
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def said(server: Server, key: str) -> dict[str, bytes]:
    """All that clients and operators get to see."""
    shown: dict[str, bytes] = {}
    for model in MODELS:
        for stream in (False, True):
            call = {"model": model, "messages": QUESTION, "stream": stream}
            reply = asyncio.run(client.call(server.port, key, call))
            shown[f"answer of {model}, stream {stream}"] = repr(reply.headers).encode() + reply.body
    wrong = asyncio.run(client.call(server.port, key + "x", {"model": "plain", "messages": QUESTION}))
    shown["answer to a wrong key"] = wrong.body
    for path in ("/metrics", "/readyz", "/v1/models", "/nowhere"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
        shown[path] = connection.getresponse().read()
        connection.close()
    lists = [*LISTS, ("check", str(server.config_file)), ("backup", str(server.folder / "copy.db"))]
    for arguments in lists:
        done = server.run_plain(*arguments) if arguments[0] == "check" else server.run(*arguments)
        assert "Usage:" not in done.stderr, done.stderr
        shown[" ".join(arguments)] = (done.stdout + done.stderr).encode()
    return shown


def of_processes(server: Server) -> dict[str, bytes]:
    """Command lines and environments of every process of the server."""
    (root,) = server.pids("supervisor")
    pids = [root, *processes.descendants(root)]
    assert len(pids) >= 3
    return {f"/proc/{pid}/{name}": Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids for name in PROC}


def taken_out(server: Server, pattern: str) -> bytes:
    """What the start prints once on purpose, cut out of its output so that any other place shows."""
    server.wait_for_log("Stop with Ctrl-C")  # the end of the banner, which comes after the readiness
    found = re.search(pattern.encode(), server.log_file.read_bytes())
    assert found, server.log_tail()
    server.log_file.write_bytes(server.log_file.read_bytes().replace(found[1], b""))
    return found[1]


@pytest.mark.process
def test_no_secret_leaves(vendor_url: str) -> None:
    key = settings.fresh_key()
    with Server(config(vendor_url, key), workers=1) as server:
        password = taken_out(server, r"Admin login +\S+ / (\S+)")
        secrets = {
            "the upstream's key": UPSTREAM.encode(),
            "the upstream's second key": ODD.encode(),
            "the header credential": HEADER.encode(),
            "the client's key": key.encode(),
            "the admin's password": password,
            "the master key": (server.data / "secrets" / "master.key").read_bytes().strip(),
            "the pepper": (server.data / "secrets" / "pepper.key").read_bytes().strip(),
        }
        assert all(len(secret) >= 12 for secret in secrets.values()), {k: len(v) for k, v in secrets.items()}
        places = said(server, key) | of_processes(server)
        assert found_in(places, secrets) == []
        assert b"acme" in b"".join(places.values())
        running = files(server.folder)
        server.restart()
        server.stop()
        stopped = files(server.folder)
        for seen in (running, stopped):
            left = {name: data for name, data in seen.items() if "secrets/" not in name}
            assert {"data/switchgear.db", "copy.db", "server.log"} <= left.keys()
            del left["config.toml"]  # the operator's own file, where they wrote the keys themselves
            assert found_in(left, secrets) == []
