"""Items of tools that ran at the upstream, as neutral events."""

from typing import Any

from msgspec import Raw

from switchgear.wire.framing.data_urls import clean_base64, sniff_base64
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.events import Event, Hosted, ImageOut
from switchgear.wire.neutral.request import Citation
from switchgear.wire.openai_responses.frames import Item
from switchgear.wire.openai_responses.from_client.tools import hosted_kind


def read_hosted(raw: Raw, item: Item) -> list[Event]:
    """The step that an output item of no other kind stands for; nothing for one without a type."""
    if not item.type:
        return []
    if item.type == "image_generation_call" and item.result:
        data = clean_base64(item.result)
        named = f"image/{item.output_format}" if item.output_format else "image/png"
        return [ImageOut(data, sniff_base64(data) or named)] if data else []
    found: Any = any_of(bytes(raw))
    fields: dict[str, Any] = found if isinstance(found, dict) else {}
    action = fields.get("action")
    action = action if isinstance(action, dict) else {}
    queries = action.get("queries") or fields.get("queries") or [action.get("query")]
    return [
        Hosted(
            "openai_responses",
            hosted_kind(item.type),
            raw,
            tuple(query for query in _list(queries) if isinstance(query, str)),
            _sources(action),
            _text(fields.get("code")),
            _logs(fields.get("outputs")) or _text(fields.get("output")),
            item.id or "",
            fields.get("status") == "failed" or action.get("type", "search") != "search",
        )
    ]


def _sources(action: dict[str, Any]) -> tuple[Citation, ...]:
    found = [source for source in _list(action.get("sources")) if isinstance(source, dict)]
    if isinstance(action.get("url"), str):
        found.append(action)
    return tuple(
        Citation(source["url"], _text(source.get("title")))
        for source in found
        if isinstance(source.get("url"), str)
    )


def _logs(outputs: Any) -> str:
    return "".join(_text(output.get("logs")) for output in _list(outputs) if isinstance(output, dict))


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""
