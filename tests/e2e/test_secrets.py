"""Planted secrets, looked for in all that a server writes and answers.

Without it a key could end up in a log, a journal, the database or an error.
"""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import client, settings
from tests.e2e.harness import Server

MODELS = ["gpt-5.2", "fault-401", "fault-500", "fault-garbage", "fault-reset-mid"]


def spellings(secret: str) -> list[bytes]:
    """Plain, in base64 at each of the three offsets, and in hex of both cases."""
    plain = secret.encode()
    # Whole groups of three bytes only, so that what stands around the secret changes nothing.
    shifted = [
        base64.b64encode(plain[offset : offset + (len(plain) - offset) // 3 * 3]) for offset in range(3)
    ]
    return [plain, *shifted, plain.hex().encode(), plain.hex().upper().encode()]


def files_with(folder: Path, needles: list[bytes], but: set[Path]) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and path not in but]
    assert any(path.suffix == ".db" for path in files)
    return [path for path in files if any(needle in path.read_bytes() for needle in needles)]


@pytest.mark.process
async def test_no_secret_is_written_or_answered(upstream_url: str) -> None:
    key, unknown = settings.fresh_key(), settings.fresh_key()
    call: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
    with Server(settings.usual(upstream_url, MODELS, key), workers=1) as server:
        replies = [
            await client.call(server.port, who, call | {"model": model, "stream": stream})
            for who in (key, unknown)
            for model in (*MODELS, "no-such-model")
            for stream in (True, False)
        ]
        pages = [
            await client.call(server.port, key, None, path=path, method="GET")
            for path in ("/v1/models", "/metrics", "/readyz")
        ]
        shown = [
            await asyncio.to_thread(server.run, *command)
            for command in (["usage", "--json"], ["keys", "list", "--json"], ["channels", "list", "--json"])
        ]
        assert [done.returncode for done in shown] == [0, 0, 0]
        await asyncio.to_thread(server.stop)
        assert {reply.status for reply in replies} >= {200, 401, 404, 502}
        answered = b"".join(reply.body + json.dumps(reply.headers).encode() for reply in [*replies, *pages])
        answered += "".join(done.stdout + done.stderr for done in shown).encode()
        for secret in (key, unknown, settings.UPSTREAM_KEY):
            needles = spellings(secret)
            assert not [needle for needle in needles if needle in answered], answered
            assert files_with(server.folder, needles, {server.config_file}) == []
