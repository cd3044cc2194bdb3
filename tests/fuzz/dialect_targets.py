"""Targets that are the same for every dialect: requests and answers on their way to another one."""

from typing import cast, get_args

import msgspec

from switchgear.kernel.dialects import OPERATIONS_OF
from switchgear.kernel.errors import ApiError
from switchgear.wire.call import InPath, Operation
from switchgear.wire.dialect import Dialect, Head
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.neutral.events import End, Event, Fault
from switchgear.wire.neutral.request import Opaque, Request, Upstream

_PATH = InPath(model="m", stream=True)


class _NoSeals:
    def seal(self, opaque: Opaque) -> str:
        return "relay1.sealed"

    def open(self, text: str) -> Opaque | None:
        return None


def _request(dialect: Dialect, operation: Operation, data: bytes) -> Request | None:
    try:
        fields = read_fields(data)
        model = dialect.read_model(fields, _PATH)
        call = dialect.read_call(operation, fields, model, _PATH)
        dialect.input_text(call)
        dialect.overhead_tokens(call)
        return dialect.read_request(call, _NoSeals())
    except ApiError as error:
        status, _, _ = dialect.render_error(error, "req_fuzz")
        if not 400 <= status < 500:
            raise AssertionError("a bad request is not called the client's fault") from None
        return None


def converted_request(data: bytes) -> None:
    """Any body is refused with a 4xx or can be written for every other dialect, or refused there."""
    for name, dialect in DIALECT_OF.items():
        if OPERATIONS_OF[name][0] not in get_args(Operation):
            continue
        request = _request(dialect, cast(Operation, name), data)
        if request is None:
            continue
        for upstream in DIALECT_OF.values():
            try:
                upstream.write_request(request, Upstream("up"))
            except ApiError:
                continue


def _events(dialect: Dialect, chunks: list[bytes]) -> list[Event]:
    reader = dialect.reader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.finish()


def _spelt(events: list[Event]) -> list[object]:
    return [
        (str(event.error), event.truncated) if isinstance(event, Fault) else msgspec.json.encode(event)
        for event in events
    ]


def converted_answer(data: bytes) -> None:
    """Any bytes are an answer with its end, or a fault; the same at every split; and can be written."""
    at = data[0] % len(data) if data else 0
    rest = data[1:]
    head = Head("7", "m", 0, Request(()), _NoSeals())
    for dialect in DIALECT_OF.values():
        events = _events(dialect, [rest])
        if not isinstance(events[-1], End | Fault):
            raise AssertionError(f"{dialect.name}: an answer without an end")
        if _spelt(_events(dialect, [rest[:at], rest[at:]])) != _spelt(events):
            raise AssertionError(f"{dialect.name}: the events differ with the split")
        whole = dialect.read_events(rest)
        if not isinstance(whole[-1], End | Fault):
            raise AssertionError(f"{dialect.name}: a reply without an end")
        for client in DIALECT_OF.values():
            for found in (events, whole):
                if isinstance(found[-1], End):
                    client.write_reply(found, head)
                    writer = client.writer(head)
                    writer.feed(found)
                    writer.closing()
