"""Seals that can be read in a golden file, heads, and the rules of an event stream, stated once more."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import Event
from switchgear.wire.neutral.request import Opaque, Request, Tool


class PlainSeals:
    """``relay1.`` with what is inside."""

    def seal(self, opaque: Opaque) -> str:
        return f"relay1.{opaque.origin}.{opaque.kind}.{opaque.payload}"

    def open(self, text: str) -> Opaque | None:
        front, *inside = text.split(".", 3)
        if front != "relay1" or len(inside) != 3:
            return None
        return msgspec.convert(inside, Opaque)


def head(declared: Sequence[Tool] = (), request: Request | None = None, **fields: Any) -> Head:
    """``fields``: of the client's body."""
    return Head(
        "7",
        "m1",
        1_700_000_000,
        request or Request((), tools=tuple(declared)),
        PlainSeals(),
        fields={key: Raw(json.dumps(value)) for key, value in fields.items()},
    )


def shown(events: Sequence[Event]) -> str:
    """One event a line."""
    return "".join(f"{type(event).__name__} {msgspec.json.encode(event).decode()}\n" for event in events)


def frames_of(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream, which must be framed exactly as the dialect frames them."""
    assert stream.endswith(b"\n\n") or not stream
    events = []
    for block in stream.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


class Grammar:
    """What clients rely on in a stream of this dialect; ``check`` fails where it is broken."""

    def __init__(self) -> None:
        self.items: dict[int, dict[str, Any]] = {}
        self.done: dict[int, dict[str, Any]] = {}
        self.texts: dict[tuple[int, str, int], str] = {}
        self.open_parts: set[tuple[int, str, int]] = set()

    def check(self, events: list[dict[str, Any]], ends: bool = True) -> None:
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
        assert events[0]["response"]["output"] == []
        assert events[0]["response"]["usage"] is None
        last = events[-1]["type"]
        terminal = ("response.completed", "response.incomplete", "response.failed")
        for event in events[2 : len(events) - ends]:
            assert event["type"] not in terminal
            self._take(event)
        if ends:
            assert last in terminal
            output = events[-1]["response"]["output"]
            if last != "response.failed":
                assert output == [self.done[at] for at in sorted(self.items)]
            assert not self.open_parts or last == "response.failed"
            assert events[-1]["response"]["id"] == events[0]["response"]["id"]

    def _take(self, event: dict[str, Any]) -> None:
        kind, at = event["type"].removeprefix("response."), event["output_index"]
        if kind == "output_item.added":
            assert at == len(self.items)
            self.items[at] = event["item"]
            return
        assert at in self.items, "before its item"
        assert at not in self.done, "after its item"
        if kind == "output_item.done":
            self._end(at, event["item"])
            return
        assert event["item_id"] == self.items[at]["id"]
        index = event.get("content_index", event.get("summary_index", 0))
        if kind in ("content_part.added", "reasoning_summary_part.added"):
            key = (at, "part", index)
            assert key not in self.open_parts
            self.open_parts.add(key)
        elif kind in ("content_part.done", "reasoning_summary_part.done"):
            self.open_parts.remove((at, "part", index))
        elif kind.endswith(".delta"):
            family = kind.removesuffix(".delta")
            if "arguments" not in family and "call" not in family:
                assert (at, "part", index) in self.open_parts
            assert event["delta"] != ""
            self.texts[at, family, index] = self.texts.get((at, family, index), "") + event["delta"]
        elif kind.endswith(".done"):
            family = kind.removesuffix(".done")
            said = next(
                event[key] for key in ("text", "refusal", "arguments", "input", "code") if key in event
            )
            deltas = self.texts.get((at, family, index), "")
            assert said == deltas or (said, deltas) == ("{}", "")

    def _end(self, at: int, item: dict[str, Any]) -> None:
        assert item["id"] == self.items[at]["id"]
        assert item["type"] == self.items[at]["type"]
        if item["type"] == "function_call":
            assert isinstance(item["arguments"], str)
        self.done[at] = item
