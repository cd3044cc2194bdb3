"""Requests with a value of the wrong kind anywhere in them, in every dialect to every upstream.

Without this, a client's slip (a list where a word belongs) would be told as a failure of the relay's own.
"""

import contextlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.pairs.relay import prepare_for, read_call
from tests.wire.pairs.scenarios import TARGETS

from switchgear.kernel.dialects import DIALECTS
from switchgear.kernel.errors import ApiError

GOLDEN = Path(__file__).parent / "golden"
ASKED = re.compile(r"=== client asks\nPOST (\S+)\n(?:[a-z-]+: .*\n)*(\{.*?\n\})\n", re.DOTALL)
ODD: list[Any] = [None, 5, -1.5, 10**30, "x", "", [], {}, True, [5], ["x"], [None], [[]], [{}]]
ODD += [{"a": 5}, {"type": 5}, {"type": "x"}, {"type": []}, {"anyOf": 5}, {"required": 5, "anyOf": []}]
Place = tuple[str | int, ...]


@cache
def requests() -> list[tuple[str, Any]]:
    """(path, body) of the requests of all transcripts, each once."""
    found = {
        asked.groups(): None
        for file in sorted(GOLDEN.glob("*/*.txt"))
        if (asked := ASKED.search(file.read_text()))
    }
    assert len(found) > 50
    return [(path, json.loads(body)) for path, body in found]


def places(value: Any, before: Place = ()) -> list[Place]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [before] if before else []
    for key, one in inner:
        found += places(one, (*before, key))
    return found


def put(value: Any, place: Place, odd: Any) -> Any:
    if not place:
        return odd
    key, rest = place[0], place[1:]
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = put(value[key], rest, odd)
    return copy


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_a_spoiled_request_is_carried_or_refused(data: st.DataObject) -> None:
    path, body = data.draw(st.sampled_from(requests()))
    for _ in range(data.draw(st.integers(1, 2))):
        if at := places(body):
            body = put(body, data.draw(st.sampled_from(at)), data.draw(st.sampled_from(ODD)))
    target = TARGETS[data.draw(st.sampled_from(DIALECTS))]
    with contextlib.suppress(ApiError):
        dialect, call = read_call(path, json.dumps(body).encode())
        dialect.input_text(call)
        dialect.overhead_tokens(call)
        prepare_for(target, dialect, call)
