"""The machinery of the benchmark: builds the C programs, starts and pins mock, nginx and Switchgear.

The relay worker (or nginx's worker) has core 0 for itself; mock, load and everything else share core 1.
"""

import contextlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from bench.bodies import chat_body, messages_body, responses_body
from tests.e2e import processes, settings
from tests.e2e.harness import ROOT, Server, free_port

BUILD = ROOT / "build"
SOURCE = ROOT / "bench"
PROXY_CORE, OTHER_CORE = 0, (os.cpu_count() or 1) - 1
OPEN_FILES = 20_000
CHAT_MODELS = (
    "bench-json",
    "bench-burst-500",
    "bench-flood-500",
    "bench-paced-100",
    "bench-paced-10",
    "bench-hold",
)
MESSAGES_MODELS = tuple(f"messages-{model}" for model in CHAT_MODELS if model != "bench-hold")
"""The same behaviour of an upstream that speaks Messages."""
MODELS = CHAT_MODELS + MESSAGES_MODELS
UNLIMITED = 1_000_000_000
NGINX_CONFIG = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 10000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 64k;
  keepalive_requests 100000000;
  upstream mock {{
    server 127.0.0.1:{upstream};
    keepalive 128;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{plain_port} backlog=4096;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_buffering off;
    }}
  }}
  server {{
    listen 127.0.0.1:{keep_alive_port} backlog=4096;
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


class Client(msgspec.Struct, frozen=True):
    """One kind of client."""

    name: str
    path: str
    body: Callable[[str, int, bool], bytes]
    """(model, size in bytes, whether it wants a stream) → the request."""


CHAT = Client("chat", "/v1/chat/completions", chat_body)
MESSAGES = Client("messages", "/v1/messages", messages_body)
RESPONSES = Client("responses", "/v1/responses", responses_body)
CLIENTS = (CHAT, MESSAGES, RESPONSES)


class Target(msgspec.Struct, frozen=True):
    """Something to send load to, and the process whose CPU is counted (0: none)."""

    name: str
    port: int
    pid: int
    key: str = "none"
    tree: tuple[int, ...] = ()
    """All processes of the server."""


class Rig(msgspec.Struct, frozen=True):
    """Everything that runs during a benchmark."""

    mock: Target
    nginx: Target
    """A plain reverse proxy: ``proxy_pass`` and no more, so a new upstream connection for each request."""
    nginx_keep_alive: Target
    """The same with kept upstream connections."""
    switchgear: Target
    folder: Path


@contextlib.contextmanager
def assembled(with_switchgear: bool) -> Iterator[Rig]:
    """Builds and starts all parts, and ends them afterwards."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    build()
    folder = BUILD / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_bodies(folder)
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(_mock())
        nginx, nginx_keep_alive = stack.enter_context(_nginx(folder, mock.port))
        switchgear = Target("switchgear", 0, 0)
        if with_switchgear:
            switchgear = stack.enter_context(_switchgear(mock.port))
        yield Rig(mock, nginx, nginx_keep_alive, switchgear, folder)


def build() -> None:
    """Compiles the mock upstream and the load generator into build/."""
    BUILD.mkdir(exist_ok=True)
    for name in ("mock_upstream", "load"):
        source, binary = SOURCE / f"{name}.c", BUILD / name
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(binary), str(source)], check=True)


def write_bodies(folder: Path) -> None:
    """Request files of an exact size, as ``CLIENT-MODEL-SIZE.json``."""
    for client in CLIENTS:
        for model in MODELS:
            for size in (1024, 20 * 1024):
                body = client.body(model, size, not model.endswith("bench-json"))
                (folder / f"{client.name}-{model}-{size}.json").write_bytes(body)


def load(
    rig: Rig, target: Target, model: str, *, size: int = 1024, client: Client | None = None, **options: float
) -> dict[str, Any]:
    """One run of the load generator; its summary."""
    command = load_command(rig, target, model, size, client, **options)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def load_command(
    rig: Rig, target: Target, model: str, size: int = 1024, client: Client | None = None, **options: float
) -> list[str]:
    client = client or CHAT
    command = [*_on_other_core(str(BUILD / "load")), "--port", str(target.port), "--key", target.key]
    command += ["--path", client.path, "--body", str(rig.folder / f"{client.name}-{model}-{size}.json")]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return command


@contextlib.contextmanager
def _mock() -> Iterator[Target]:
    process = subprocess.Popen(_on_other_core(str(BUILD / "mock_upstream"), "0"), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Target("mock", int(process.stdout.readline()), 0)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _nginx(folder: Path, upstream_port: int) -> Iterator[tuple[Target, Target]]:
    plain_port, keep_alive_port = free_port(), free_port()
    config = folder / "nginx.conf"
    config.write_text(
        NGINX_CONFIG.format(
            folder=folder, upstream=upstream_port, plain_port=plain_port, keep_alive_port=keep_alive_port
        )
    )
    arguments = [nginx_binary(), "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config)]
    process = subprocess.Popen(_on_other_core(*arguments))
    try:
        worker = _worker_of(process)
        yield Target("nginx", plain_port, worker), Target("nginx-keep-alive", keep_alive_port, worker)
    finally:
        process.terminate()
        process.wait()


def nginx_binary() -> str:
    """nginx from the system's packages, installed if it is not there."""
    if found := shutil.which("nginx") or shutil.which("/usr/sbin/nginx"):
        return found
    print("Installing nginx from the system's packages …", flush=True)
    if _apt("install", "-y", "nginx-light"):
        _apt("update")
        if _apt("install", "-y", "nginx-light"):
            raise SystemExit("nginx can't be installed: install the package nginx-light, then try again")
    return shutil.which("nginx") or "/usr/sbin/nginx"


def _apt(*arguments: str) -> int:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", *arguments]
    return subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False).returncode


def _worker_of(process: subprocess.Popen[bytes]) -> int:
    for _ in range(100):
        if workers := processes.descendants(process.pid):
            processes.pin(workers[0], PROXY_CORE)
            return workers[0]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise RuntimeError("nginx has no worker")


@contextlib.contextmanager
def _switchgear(upstream_port: int) -> Iterator[Target]:
    """One worker with everything on: key, limits that are counted but never reached, quota, wallet, price."""
    key = settings.fresh_key()
    parts = [
        settings.group(),
        settings.user(balance_usd="1000000"),
        settings.key(
            key,
            quota_usd="1000000",
            rpm=UNLIMITED,
            tpm=UNLIMITED,
            concurrency=100_000,
            allow_ips=["127.0.0.0/8"],
            models=list(MODELS),
        ),
        settings.channel(f"http://127.0.0.1:{upstream_port}/v1", list(CHAT_MODELS)),
        settings.channel(
            f"http://127.0.0.1:{upstream_port}",
            list(MESSAGES_MODELS),
            name="messages",
            dialects=["anthropic_messages"],
        ),
        *(settings.price(model) for model in MODELS),
    ]
    with Server("\n".join(parts), workers=1) as server:
        (worker,) = server.pids("worker")
        tree = (*server.pids("supervisor"), *processes.descendants(server.pids("supervisor")[0]))
        for pid in tree:
            processes.pin(pid, PROXY_CORE if pid == worker else OTHER_CORE)
        yield Target("switchgear", server.port, worker, key, tree)


def _on_other_core(*command: str) -> list[str]:
    return ["taskset", "-c", str(OTHER_CORE), *command]
