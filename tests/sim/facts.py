"""What a request asks, in words of no dialect: each simulated upstream reads its requests into these."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

Json = dict[str, Any]
FREE_TEXT: Json = {"type": "object", "properties": {"input": {"type": "string"}}}
"""The arguments of a tool that takes any text instead of JSON."""


class Turn(NamedTuple):
    """One message of the history. Each result of a tool is a turn of its own, however it is wrapped."""

    role: str
    """``system``, ``user``, ``assistant`` or ``tool``."""
    text: str
    media: tuple[str, ...] = ()
    """Media types of what is attached, in order; ``url`` for what is only named by an address."""
    calls: int = 0
    """How many tools an assistant turn calls."""


class Tool(NamedTuple):
    name: str
    schema: Json


@dataclass(frozen=True)
class Facts:
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    """``auto``, ``none``, ``required``, or ``=`` and the name of the one tool that must be called."""
    parallel: bool = True
    thinking: bool = True
    """Whether the request lets the model reason."""
    schema: Json | None = None
    """What the reply must fit; ``{}`` for any JSON."""
    cap: int | None = None
    """Most output tokens."""
    stop: tuple[str, ...] = ()
    search: bool = False
    """Whether the vendor's own web search may be used."""
    copies: int = 1

    @property
    def exchange(self) -> tuple[Turn, ...]:
        """The turns since the assistant last finished an answer: the question, and its calls and results."""
        for index in range(len(self.turns), 0, -1):
            turn = self.turns[index - 1]
            if turn.role == "assistant" and not turn.calls:
                return self.turns[index:]
        return self.turns

    @property
    def question(self) -> str:
        return "\n".join(turn.text for turn in self.exchange if turn.role == "user")

    @property
    def results(self) -> tuple[str, ...]:
        return tuple(turn.text for turn in self.exchange if turn.role == "tool")

    @property
    def media(self) -> tuple[str, ...]:
        return tuple(kind for turn in self.exchange for kind in turn.media)


def input_tokens(turns: tuple[Turn, ...]) -> int:
    """UTF-8 bytes of all text // 4, and 3 for each turn."""
    size = sum(len(turn.text.encode("utf-8", "surrogatepass")) for turn in turns)
    return size // 4 + 3 * len(turns)


def example(schema: Json, name: str = "value", number: int = 1) -> Any:
    """The same value for the same meaning of ``schema``, in JSON Schema or in its upper-case cousin.

    Strings are ``<name> <number>``, so that a test sees which call a value belongs to.
    """
    return _example(schema, name, number, schema, ())


def _example(schema: Json, name: str, number: int, root: Json, refs: tuple[str, ...]) -> Any:
    """``refs``: the references that led here; one that leads back ends the value."""
    if (ref := schema.get("$ref")) is not None:
        return {} if ref in refs else _example(_resolved(ref, root), name, number, root, (*refs, ref))
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        for option in schema.get(key) or ():
            if option.get("type") not in ("null", "NULL"):
                return _example(option, name, number, root, refs)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((item for item in kind if item != "null"), "null")
    kind = (kind or ("object" if "properties" in schema else "string")).lower()
    if kind == "object":
        properties = schema.get("properties") or {}
        return {key: _example(inner, key, number, root, refs) for key, inner in properties.items()}
    if kind == "array":
        items = schema.get("items") or {}
        count = max(1, int(schema.get("minItems") or 1))
        return [_example(items, name, number + at, root, refs) for at in range(count)]
    if kind in ("integer", "number"):
        return max(number, schema.get("minimum") or number)
    return {"boolean": True, "null": None}.get(kind, f"{name} {number}")


def _resolved(reference: str, root: Json) -> Json:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found[step]
    return found if isinstance(found, dict) else {}


def compact(item: Any) -> str:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def media_of_data_url(url: str) -> str:
    """``image/png`` for ``data:image/png;base64,…``; ``url`` for any other address."""
    return url.removeprefix("data:").split(";")[0].split(",")[0] if url.startswith("data:") else "url"
