"""What the catalogue knows to be fatal in a request that passes through, mended."""

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.from_client.config import PLACE, read_thinking
from switchgear.wire.gemini_generate.to_upstream.config import write_thinking
from switchgear.wire.gemini_generate.values import Json, flag_in, integer_in, object_of, pick, text, value_of

_SYSTEM = ("systemInstruction", "system_instruction")
_THINKING = ("thinkingConfig", "thinking_config")
_THINKING_BYTES = tuple(f'"{key}"'.encode() for key in _THINKING)
_encode = msgspec.json.Encoder().encode


def fitted(fields: dict[str, Raw], facts: ModelFacts, dropped: list[str]) -> dict[str, Raw]:
    """The fields for a model of which this much is known; adds to ``dropped`` what was left out. Raises
    ApiError for a wish about reasoning that can't be read."""
    fields = dict(fields)
    if facts.system_role == "none":
        _fold_system(fields)
    if facts.thinking and any(key in bytes(raw) for key in _THINKING_BYTES for raw in _config(fields)):
        _fit_thinking(fields, facts, dropped)
    return fields


def _config(fields: dict[str, Raw]) -> list[Raw]:
    return [fields[key] for key in (PLACE, "generation_config") if key in fields]


def _fit_thinking(fields: dict[str, Raw], facts: ModelFacts, dropped: list[str]) -> None:
    """Models that do not reason refuse the field, others what they have no word or number for."""
    config = object_of(fields, PLACE)
    asked = pick(config, "thinkingConfig")
    if not isinstance(asked, dict) or not _is_fatal(asked, facts):
        return
    written = write_thinking(read_thinking(config), facts)
    if not written:
        dropped.append(f"{PLACE}.thinkingConfig")
    elif (shows := flag_in(asked, "includeThoughts")) is not None:
        written["includeThoughts"] = shows
    kept = {key: value for key, value in config.items() if key not in _THINKING}
    if written:
        kept["thinkingConfig"] = written
    fields.pop("generation_config", None)
    fields[PLACE] = Raw(_encode(kept))


def _is_fatal(asked: Json, facts: ModelFacts) -> bool:
    budget = integer_in(asked, "thinkingBudget", f"{PLACE}.thinkingConfig")
    level = text(pick(asked, "thinkingLevel")).lower()
    if facts.thinking == "none":
        return True
    if budget is not None and level:
        return True
    if facts.thinking == "budget":
        least = 0 if facts.thinking_off else facts.budget_min
        most = facts.budget_max or budget or 0
        return bool(level) or (budget is not None and budget >= 0 and not least <= budget <= most)
    return facts.thinking == "level" and bool(level) and bool(facts.efforts) and level not in facts.efforts


def _fold_system(fields: dict[str, Raw]) -> None:
    """Models that know no instructions are told them before the first text of the user."""
    instruction, contents = value_of(fields, "systemInstruction"), any_of(fields.get("contents", b""))
    parts = instruction.get("parts") if isinstance(instruction, dict) else None
    first = contents[0] if isinstance(contents, list) and contents else None
    if not isinstance(parts, list) or not isinstance(first, dict):
        return
    own = first.get("parts")
    if not isinstance(own, list) or first.get("role", "user") != "user":
        return
    first["parts"] = [*parts, *own]
    fields["contents"] = Raw(_encode(contents))
    for key in _SYSTEM:
        fields.pop(key, None)
