"""The line that each request leaves. Without these, a program could meet a line it can't read, or a client
could write to the operator's terminal."""

import json
import os
import time

import pytest

from switchgear.kernel.charge import Charge
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import Timings, UsageRecord
from switchgear.relay.requestlog import Refusal, RequestLog, json_line, text_line

REFUSAL = Refusal("01a2", 0, "POST", "/v1/chat/completions", 401, "invalid_key", "10.0.0.7")


def record(**changes: object) -> UsageRecord:
    fields: dict[str, object] = {
        "request_id": "01a1",
        "at_ms": 0,
        "user_id": "u",
        "key_id": "k",
        "group": "default",
        "dialect": "openai_chat",
        "operation": "openai_chat",
        "model": "gpt-5.2",
        "end_state": "complete",
        "usage_source": "reported",
        "usage": Usage(input_uncached=12, output_text=345),
        "charge": Charge(1_230_000),
        "wallet": "w",
        "budget": "",
        "channel": "main",
        "stream": True,
        "status": 200,
        "timings": Timings(total_us=1_240_000),
    }
    return UsageRecord(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_people_see_what_an_eye_looks_for() -> None:
    assert text_line(record(), colour=False).decode() == (
        "00:00:00 200 gpt-5.2 openai_chat stream  by main  1.24 s  12 in, 345 out  0.00123 USD  01a1"
    )
    failed = record(status=502, error="upstream_error", end_state="upstream_error")
    shown = text_line(failed, colour=False)
    assert b"502 gpt-5.2 openai_chat stream  by main  upstream_error  1.24 s" in shown
    assert text_line(REFUSAL, colour=False) == (
        b"00:00:00 401 POST /v1/chat/completions  invalid_key  from 10.0.0.7  01a2"
    )
    assert text_line(REFUSAL, colour=True).startswith(b"00:00:00 \x1b[33m401\x1b[0m POST")


def test_a_client_cannot_steer_the_terminal() -> None:
    line = text_line(record(model="a\x1b[2J\nb"), colour=True)
    assert line.count(b"\x1b") == 2  # our own colour
    assert b"\n" not in line


def test_programs_get_one_object_a_line() -> None:
    reading, writing = os.pipe()
    log = RequestLog(writing, json_line)
    log.add(record())
    log.add(REFUSAL)
    log.close()
    os.close(writing)
    with open(reading, "rb") as lines:
        found = [json.loads(line) for line in lines]
    assert [line["request_id"] for line in found] == ["01a1", "01a2"]
    assert {line["event"] for line in found} == {"request"}
