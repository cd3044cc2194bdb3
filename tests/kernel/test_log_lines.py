"""Without this a log that nobody reads would stop every call of a process."""

import logging
import os
import threading
import time

from switchgear.kernel.limits import LOG_LINES_MAX
from switchgear.kernel.log_lines import LineHandler

LINE = "x" * 100
MORE = 5000


def record(text: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text})


def test_a_log_that_nobody_reads_holds_nobody_up_and_says_what_it_dropped() -> None:
    reading, writing = os.pipe()
    handler = LineHandler(writing)
    began = time.monotonic()
    for number in range(LOG_LINES_MAX + MORE):
        handler.handle(record(f"{number:06} {LINE}"))
    assert time.monotonic() - began < 5
    found = bytearray()

    def read() -> None:
        while b"dropped" not in found:
            found.extend(os.read(reading, 1 << 16))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(10)
    assert not reader.is_alive()
    lines = found.splitlines()
    assert lines[0].startswith(b"000000 "), "what was on its way goes first"
    assert f"{LOG_LINES_MAX + MORE - 1:06}".encode() in found
    numbers = [int(line[:6]) for line in lines if line[:6].isdigit()]
    assert numbers == sorted(numbers)


def test_the_last_lines_of_a_process_are_written() -> None:
    reading, writing = os.pipe()
    handler = LineHandler(writing)
    handler.handle(record("the end"))
    handler.flush()
    assert os.read(reading, 100) == b"the end\n"


def test_a_flush_does_not_wait_for_ever() -> None:
    _, writing = os.pipe()
    handler = LineHandler(writing)
    for _ in range(2000):
        handler.handle(record(LINE))
    began = time.monotonic()
    handler.flush()
    assert time.monotonic() - began < 5
