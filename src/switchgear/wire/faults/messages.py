"""The message of an error object, where it is more than one string: lists of validation errors above all."""

import re
from typing import Any

_KEYS = ("message", "Message", "status_msg", "detail", "msg", "error_msg", "errorMessage")
_LISTED_MAX = 8
"""Of a list of validation errors."""
_DEPTH_MAX = 3
_WORDS_CHARS_MAX = 2048


def message_of(found: dict[str, Any], depth: int = 0) -> tuple[str, str | None]:
    """(the message, the field that it is about where that is told); empty for none."""
    for key in _KEYS:
        value = found.get(key)
        if isinstance(value, str):
            return value, None
        if isinstance(value, list) and (message := _listed(value)):
            return message, _place(value[0]) or None
        if isinstance(value, dict) and depth < _DEPTH_MAX:
            message, place = message_of(value, depth + 1)
            if message:
                return message, place
    return "", None


def _listed(errors: list[Any]) -> str:
    """FastAPI's ``detail``: what is wrong and where, without the input, which may be long."""
    lines: list[str] = []
    for error in errors[:_LISTED_MAX]:
        text = error.get("msg") or error.get("message") if isinstance(error, dict) else error
        if isinstance(text, str) and text:
            place = _place(error)
            lines.append(f"{place}: {text}" if place else text)
    return "; ".join(lines)


def _place(error: Any) -> str:
    """``messages.0.content`` of ``["body", "messages", 0, "content"]``."""
    path = error.get("loc") if isinstance(error, dict) else None
    if not isinstance(path, list):
        return ""
    steps = [str(step) for step in path if isinstance(step, (str, int))]
    return ".".join(steps[1:] if steps[:1] == ["body"] else steps)


def names_field(message: str, param: str | None, field: str) -> bool:
    """Whether an error is about a top-level field of the request: named as its parameter, at the message's
    start, or in quotes. Where it is no English word (``stream_options``), anywhere."""
    if param is not None and re.split(r"[.\[]", param, maxsplit=1)[0] == field:
        return True
    said = message[:_WORDS_CHARS_MAX]
    if "_" in field:
        return re.search(rf"(?<!\w){field}(?!\w)", said) is not None
    return re.search(rf"^(?:body\.)?{field}(?:[.\[:]| is )|[`'\"]{field}[`'\"\[.]", said) is not None
