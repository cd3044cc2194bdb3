"""What the catalogue knows to be fatal in a request that passes through, mended.

Each step looks for its occasion first, so that ordinary requests are left as they are, byte for byte.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.framing.splice import NULL, BadJson, read_objects, write_array
from switchgear.wire.neutral.effort import effort_of, known_effort, reasons, refused_sampling
from switchgear.wire.neutral.request import Thinking
from switchgear.wire.openai_chat.from_client.tools import read_choice, read_format
from switchgear.wire.openai_chat.switches import SWITCHES, read_thinking, without_thinking, write_thinking
from switchgear.wire.openai_chat.values import value_of

Fields = dict[str, Raw]

_NO_FACTS = ModelFacts()
_DEVELOPER, _SYSTEM = Raw(b'"developer"'), Raw(b'"system"')
_OLD_CAP, _CAP = "max_tokens", "max_completion_tokens"
_JSON_OBJECT = Raw(b'{"type":"json_object"}')
_encode = msgspec.json.Encoder().encode
_decode_str = msgspec.json.Decoder(str).decode


def fitted(fields: Fields, facts: ModelFacts, dropped: list[str]) -> Fields:
    """The fields for a model of which this much is known; adds to ``dropped`` what was left out. Raises
    ApiError for a choice, a form or a switch that can't be read where it has to be."""
    if facts == _NO_FACTS:
        return fields
    fields = dict(fields)
    for step in _STEPS:
        step(fields, facts, dropped)
    return fields


def has_tools(fields: Fields) -> bool:
    """Whether a request declares any tool or function."""
    return any(
        (raw := fields.get(key)) is not None and bytes(raw)[:1] == b"[" and bool(bytes(raw)[1:-1].strip())
        for key in ("tools", "functions")
    )


def asks_reasoning(fields: Fields, facts: ModelFacts) -> bool:
    """Whether the model would reason over this request. Raises ApiError."""
    return reasons(read_thinking(fields), facts)


def _caps(fields: Fields, facts: ModelFacts, dropped: list[str]) -> None:
    if _OLD_CAP not in fields:
        return
    if _CAP in fields:
        if facts.no_max_tokens or facts.one_cap:
            del fields[_OLD_CAP]
            dropped.append(_OLD_CAP)
    elif facts.no_max_tokens:
        fields[_CAP] = fields.pop(_OLD_CAP)


def _roles(fields: Fields, facts: ModelFacts, dropped: list[str]) -> None:
    raw = fields.get("messages", NULL)
    if facts.no_developer and b'"developer"' in bytes(raw):
        messages = _objects(raw)
        for message in messages:
            if message.get("role") == _DEVELOPER:
                message["role"] = _SYSTEM
        fields["messages"] = Raw(write_array(messages)) if messages else raw
    if facts.system_role == "none":
        _fold_system(fields)
    elif facts.system_first:
        _gather_system(fields)


def _gather_system(fields: Fields) -> None:
    """All instructions in one message at the front, for models that take them only there."""
    messages = _objects(fields.get("messages", NULL))
    places = [at for at, message in enumerate(messages) if message.get("role") in (_SYSTEM, _DEVELOPER)]
    if places in ([], [0]):
        return
    texts = [_text_of(messages[at].get("content", NULL)) for at in places]
    content = Raw(_encode("\n\n".join(filter(None, texts))))
    rest = [message for at, message in enumerate(messages) if at not in set(places)]
    fields["messages"] = Raw(write_array([{**messages[places[0]], "content": content}, *rest]))


def _fold_system(fields: Fields) -> None:
    """Texts of instructions before the first text of the user, for models that know no such role."""
    messages = _objects(fields.get("messages", NULL))
    leading: list[str] = []
    rest = list(messages)
    while rest and rest[0].get("role") in (_SYSTEM, _DEVELOPER):
        leading.append(_text_of(rest.pop(0).get("content", NULL)))
    if not leading or not rest or rest[0].get("role") != Raw(b'"user"'):
        return
    said = "\n\n".join(filter(None, leading))
    content = rest[0].get("content", NULL)
    if bytes(content)[:1] == b'"':
        joined = Raw(_encode(f"{said}\n\n{_decode_str(content)}"))
    else:
        joined = Raw(_encode([{"type": "text", "text": said}, *_objects(content)]))
    fields["messages"] = Raw(write_array([{**rest[0], "content": joined}, *rest[1:]]))


def _form(fields: Fields, facts: ModelFacts, dropped: list[str]) -> None:
    """A schema is told in words, as for other dialects, where the model knows no field for it."""
    if facts.json_schema or b'"json_schema"' not in bytes(fields.get("response_format", b"")):
        return
    form = read_format(fields)
    messages = _objects(fields.get("messages", NULL))
    if form is None or form.schema is None or not messages:
        return
    fields["response_format"] = _JSON_OBJECT
    hint = f"Answer with one JSON object that fits this JSON schema: {bytes(form.schema).decode()}"
    role = _DEVELOPER if facts.system_role == "developer" else _SYSTEM
    if facts.system_role == "none":
        role = Raw(b'"user"')
    leading = next((at for at, m in enumerate(messages) if m.get("role") not in (_SYSTEM, _DEVELOPER)), 0)
    if leading and facts.system_first:
        before = messages[leading - 1]
        before["content"] = Raw(_encode(f"{_text_of(before.get('content', NULL))}\n\n{hint}"))
    else:
        messages.insert(leading, {"role": role, "content": Raw(_encode(hint))})
    fields["messages"] = Raw(write_array(messages))


def _knobs(fields: Fields, facts: ModelFacts, dropped: list[str]) -> None:
    refused = [*refused_sampling(fields, facts)]
    if facts.no_parallel:
        refused.append("parallel_tool_calls")
    for key in refused:
        if key in fields:
            del fields[key]
            dropped.append(key)


def _effort(fields: Fields, facts: ModelFacts, dropped: list[str]) -> None:
    if "reasoning_effort" not in fields:
        return
    if facts.thinking == "none" or facts.no_effort:
        del fields["reasoning_effort"]
        dropped.append("reasoning_effort")
        return
    word = value_of(fields, "reasoning_effort")
    if facts.thinking == "effort" and isinstance(word, str):
        fields["reasoning_effort"] = Raw(_encode(known_effort(word, facts)))


def _reasoning(fields: Fields, facts: ModelFacts, dropped: list[str]) -> None:
    """Where tools, or a forced call of one, are refused while the model reasons, it does not."""
    if not has_tools(fields):
        return
    if not (facts.tools_unreasoned and asks_reasoning(fields, facts)) and not _is_forced(fields, facts):
        return
    asked = [key for key in SWITCHES if key in fields]
    if asked and effort_of(read_thinking(fields)) == "none":
        return
    dropped += asked
    kept = without_thinking(fields) | write_thinking(Thinking(effort="none"), facts)
    fields.clear()
    fields.update(kept)


def _is_forced(fields: Fields, facts: ModelFacts) -> bool:
    if not facts.thinking_auto_only or not facts.thinking_off or facts.thinking in ("", "none", "always"):
        return False
    choice = read_choice(fields)
    return choice is not None and choice.mode in ("required", "named")


_STEPS: tuple[Callable[[Fields, ModelFacts, list[str]], None], ...] = (
    _caps,
    _roles,
    _form,
    _knobs,
    _effort,
    _reasoning,
)


def _text_of(content: Raw) -> str:
    """The text of a content, whether it is a string or parts."""
    if bytes(content)[:1] == b'"':
        return _decode_str(content)
    texts: list[Any] = [part.get("text", NULL) for part in _objects(content)]
    return "\n\n".join(_decode_str(text) for text in texts if bytes(text)[:1] == b'"')


def _objects(raw: Raw) -> list[Fields]:
    """None at all for what is no array of objects: the upstream blames it."""
    try:
        return read_objects(raw)
    except BadJson:
        return []
