"""A conversation as a text that a person can read, both sides of the relay in turn."""

import json
from typing import Any

from tests.wire.pairs.relay import Outcome

WIDTH = 110
_USUAL = {"content-type", "accept", "accept-encoding", "user-agent", "authorization", "x-api-key"} | {
    "x-goog-api-key"
}


def told(path: str, body: Any, outcome: Outcome) -> str:
    """One call: what is asked, what goes upstream, what comes back, what the client gets and pays."""
    parts = [_section("client asks", f"POST {path}\n{pretty(body)}")]
    if outcome.asked is not None:
        asked = outcome.asked
        fields = [f"{name}: {value}" for name, value in asked.headers if name not in _USUAL]
        lines = [f"{asked.method} {asked.url}", *fields, pretty(json.loads(asked.body))]
        if outcome.dropped:
            lines.append(f"dropped: {', '.join(outcome.dropped)}")
        parts.append(_section("upstream gets", "\n".join(lines)))
    if outcome.said is not None:
        said = outcome.said
        end = "\n(cut off)" if said.is_cut else ""
        parts.append(_section("upstream answers", f"{said.status}\n{_body(said.body)}{end}"))
    fields = [f"{name}: {value}" for name, value in outcome.headers if name != "content-type"]
    parts.append(_section("client gets", "\n".join([str(outcome.status), *fields, _body(outcome.body)])))
    counts = ", ".join(f"{unit} {count}" for unit, count in outcome.usage.counts())
    parts.append(_section("usage", f"{counts or 'none'}\n{outcome.charge_nanos} nanos\n{outcome.state}"))
    return "\n".join(parts)


def _section(title: str, text: str) -> str:
    return f"=== {title}\n{text.rstrip()}\n"


def _body(body: bytes) -> str:
    """JSON laid out; a stream as it is, but for the kind of its line ends."""
    try:
        return pretty(json.loads(body))
    except ValueError:
        return body.decode().replace("\r\n", "\n")


def pretty(value: Any, indent: int = 0) -> str:
    """JSON with every object on one line that fits there."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(key)}: {pretty(item, indent + 2)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    rows = [f"{pad}{pretty(item, indent + 2)}" for item in value]
    return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"
