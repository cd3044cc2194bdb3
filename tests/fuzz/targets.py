"""Targets for a fuzzer: each takes any bytes and fails only when a reader breaks its promise.

A promise is: only the module's own errors, the same result at every split, nothing counted twice.
"""

from collections.abc import Callable

import msgspec
from tests.fuzz.dialect_targets import converted_answer, converted_request
from tests.sim.requests import read_request

from switchgear.catalog.document import CatalogError
from switchgear.catalog.loader import load_models, load_prices
from switchgear.config.check import check, known_of
from switchgear.config.parse import parse
from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import TOKENS_MAX, UNITS
from switchgear.ledger.journal import frame, scan
from switchgear.ledger.record import decode_record, encode_record
from switchgear.link.protocol import decode_frame, encode_frame
from switchgear.vendors.loader import load_vendors
from switchgear.vendors.shipped import shipped
from switchgear.wire.call import Operation
from switchgear.wire.dialect import Edits
from switchgear.wire.faults.upstream_error import read_upstream_error, to_api_error
from switchgear.wire.framing.splice import BadJson, read_object, write_object
from switchgear.wire.framing.sse import FrameTooLong, SseReader
from switchgear.wire.openai_chat.errors import render_error
from switchgear.wire.openai_chat.estimate_input import input_text, overhead_tokens
from switchgear.wire.openai_chat.passing.reply import fit_embeddings, read_reply
from switchgear.wire.openai_chat.passing.request import pass_request
from switchgear.wire.openai_chat.passing.tap import StreamTap
from switchgear.wire.openai_chat.usage import merge_reports, read_usage

KNOWN = known_of(shipped())
OPERATIONS: tuple[Operation, ...] = ("openai_chat", "openai_completions", "openai_embeddings")


def _require(holds: bool, promise: str) -> None:
    if not holds:
        raise AssertionError(promise)


def _halves(data: bytes) -> tuple[bytes, bytes]:
    """The rest, cut where the first byte says."""
    at = data[0] % len(data) if data else 0
    return data[1:][:at], data[1:][at:]


def sse(data: bytes) -> None:
    first, second = _halves(data)
    whole, split = SseReader(), SseReader()
    try:
        frames = whole.feed(first + second)
        _require(frames == split.feed(first) + split.feed(second), "frames differ with the split")
        _require(whole.peek_rest() == split.peek_rest(), "what is left differs with the split")
        joined = b"".join(frame.raw for frame in frames) + whole.peek_rest()
        _require(joined == first + second, "bytes were lost")
    except FrameTooLong:
        return


def splice(data: bytes) -> None:
    try:
        fields = read_object(data)
    except BadJson:
        return
    again = read_object(write_object(fields))
    _require(
        {key: bytes(raw) for key, raw in fields.items()} == {key: bytes(raw) for key, raw in again.items()},
        "a value changed",
    )


def tap(data: bytes) -> None:
    first, second = _halves(data)
    results = []
    for chunks in ([first + second], [first, second]):
        reader = StreamTap("openai_chat", bool(data[:1] < b"\x80"))
        out = b"".join([reader.feed(chunk) for chunk in chunks])
        end = reader.finish()
        _require(b"data: [DONE]" not in out, "the end marker went out")
        results.append((out, end, reader.closing(), reader.usage, reader.take_text(), str(reader.fault)))
    _require(results[0] == results[1], "the result differs with the split")


def usage(data: bytes) -> None:
    found = read_usage(data)
    if found is None:
        return
    _require(all(0 <= getattr(found, unit) <= TOKENS_MAX for unit in UNITS), "a count is out of bounds")
    _require(merge_reports(found, found) == found, "a repeated report changes the usage")


def error(data: bytes) -> None:
    status = int.from_bytes(data[:2].rjust(2, b"\0"), "big") % 600
    found = read_upstream_error(status, {"retry-after": data[:40].decode("latin-1")}, data[2:], 0.0)
    shown, _, body = render_error(to_api_error(found), "req_fuzz")
    _require(400 <= shown <= 599, "an error is shown with a status that is none")
    read_object(body)


def peek(data: bytes) -> None:
    for operation in OPERATIONS:
        try:
            call = read_request(operation, data)
        except ApiError:
            continue
        _require(0 <= overhead_tokens(call) <= 4 * len(data) + 3, "more overhead than request")
        input_text(call)
        _require(read_request(operation, pass_request(call, "up", Edits()).body).model == "up", "no model")


def reply(data: bytes) -> None:
    for operation in OPERATIONS:
        read_reply(operation, data).text()
    fit_embeddings(data, True)
    fit_embeddings(data, False)


def journal(data: bytes) -> None:
    whole = scan(data)
    _require(
        b"".join(map(frame, whole.payloads)) == data[: whole.consumed], "frames are read that are not there"
    )
    _require((whole.state == "clean") == (whole.consumed == len(data)), "a rest is called clean")
    again = scan(data, 0, len(whole.payloads) // 2)
    _require(scan(data, again.consumed).consumed == whole.consumed, "a second look goes elsewhere")
    for payload in (data, *whole.payloads):
        try:
            record = decode_record(payload)
        except msgspec.DecodeError:
            continue
        _require(decode_record(encode_record(record)) == record, "a record changes when it is written again")


def config(data: bytes) -> None:
    parsed = parse(data.decode(errors="replace"), "config.toml")
    checked = check(parsed, "config.toml", {}, KNOWN)
    for problem in checked.problems:
        _require(problem.line >= 0 and bool(problem.message), "a problem without place or words")


def data_files(data: bytes) -> None:
    text = data.decode(errors="replace")
    for load in (load_vendors, load_models, load_prices):
        try:
            load({"openai.toml": text})
        except CatalogError:
            continue


def link(data: bytes) -> None:
    try:
        frame_read = decode_frame(data)
    except msgspec.DecodeError:
        return
    _require(decode_frame(encode_frame(frame_read)[4:]) == frame_read, "a frame changes on its way")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        sse,
        splice,
        tap,
        usage,
        error,
        peek,
        reply,
        converted_request,
        converted_answer,
        journal,
        config,
        data_files,
        link,
    )
}
