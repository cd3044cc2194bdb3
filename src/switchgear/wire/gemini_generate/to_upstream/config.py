"""``generationConfig`` for an upstream: the knobs, the form of the answer, and how much it is to reason."""

from msgspec import Raw

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.wire.convert.stop_cut import share_stops
from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.to_upstream.tools import subset_of
from switchgear.wire.gemini_generate.values import Json, text
from switchgear.wire.neutral.effort import GEMINI_BUDGETS, budget_of, effort_of, fit_effort, is_lost
from switchgear.wire.neutral.request import Effort, Request, Thinking, Upstream

STOPS_MAX = 5
_VOICES = {
    "alloy": "Kore",
    "ash": "Charon",
    "ballad": "Enceladus",
    "cedar": "Iapetus",
    "coral": "Aoede",
    "echo": "Puck",
    "fable": "Fenrir",
    "marin": "Leda",
    "nova": "Zephyr",
    "onyx": "Orus",
    "sage": "Sulafat",
    "shimmer": "Callirrhoe",
    "verse": "Umbriel",
}
"""Voices that clients of other dialects ask for → one of the same kind here; others keep their names."""
_SOUNDS = frozenset({"", "wav", "pcm16", "pcm"})
_REASONS = frozenset({"level", "budget", "always"})


def write_config(request: Request, upstream: Upstream) -> tuple[Json, list[str], str]:
    """(config, concepts that were left out, an instruction that says what no field can). Raises ApiError."""
    facts = upstream.facts
    config: Json = {}
    dropped: list[str] = []
    for concept, key, value, refused in (
        ("temperature", "temperature", request.temperature, facts.no_sampling),
        ("top_p", "topP", request.top_p, facts.no_sampling),
        ("top_k", "topK", request.top_k, facts.no_sampling),
        ("presence_penalty", "presencePenalty", request.presence_penalty, facts.no_penalties),
        ("frequency_penalty", "frequencyPenalty", request.frequency_penalty, facts.no_penalties),
        ("seed", "seed", request.seed, False),
    ):
        if value is not None and refused:
            dropped.append(concept)
        elif value is not None:
            config[key] = value
    _limits(request, facts, config)
    if request.logprobs:
        config["responseLogprobs"] = True
        if request.top_logprobs:
            config["logprobs"] = request.top_logprobs
    if modalities := [name.upper() for name in request.modalities]:
        config["responseModalities"] = modalities
    if "audio" in request.modalities:
        # Models that speak do nothing else.
        config["responseModalities"] = ["AUDIO"]
        config["speechConfig"] = _speech(request.audio)
    if is_lost(request.thinking, facts):
        dropped.append("thinking")
    if thinking := write_thinking(request.thinking, facts):
        config["thinkingConfig"] = thinking
    return config, dropped, _format(request, upstream, config)


def write_thinking(thinking: Thinking | None, facts: ModelFacts) -> Json:
    """``thinkingConfig``; empty where nothing is to be said. Never both ways of saying how much."""
    if facts.thinking == "none":
        return {}
    config: Json = {}
    effort = effort_of(thinking)
    if facts.thinking == "level":
        if effort is not None:
            config["thinkingLevel"] = _level(effort, facts)
    elif facts.thinking != "always":
        budget = _budget(thinking, effort, facts)
        if budget is not None:
            config["thinkingBudget"] = budget
    shows = thinking is None or (thinking.show is not False and not thinking.is_off)
    thinks = facts.thinking in _REASONS or config.get("thinkingBudget") is not None
    if shows and thinks and config.get("thinkingBudget") != 0:
        config["includeThoughts"] = True
    return config


def _budget(thinking: Thinking | None, effort: Effort | None, facts: ModelFacts) -> int | None:
    """Of a model of which nothing is known, neither that it can do without nor more than any can do."""
    if facts.thinking:
        return budget_of(thinking, facts, GEMINI_BUDGETS)
    if effort == "none":
        return None
    budget = budget_of(thinking, facts, GEMINI_BUDGETS)
    return budget if budget is None else min(budget, GEMINI_BUDGETS["high"])


def _level(effort: Effort, facts: ModelFacts) -> str:
    known = facts.efforts or ("low", "medium", "high")
    wanted: Effort = "high" if effort in ("xhigh", "max") else effort
    if wanted == "medium" and "medium" not in known and "high" in known:
        return "high"
    return fit_effort(wanted, known)


def _limits(request: Request, facts: ModelFacts, config: Json) -> None:
    if request.output_tokens_max is not None:
        most = facts.output_tokens_max
        config["maxOutputTokens"] = (
            min(request.output_tokens_max, most) if most else request.output_tokens_max
        )
    if request.n > 1:
        config["candidateCount"] = request.n
    if stops := share_stops(request.stop, facts, STOPS_MAX)[0]:
        config["stopSequences"] = list(stops)


def _format(request: Request, upstream: Upstream, config: Json) -> str:
    """Returns the instruction that takes the place of a form that the model refuses: older ones take none
    beside tools."""
    form = request.format
    if form is None:
        return ""
    facts = upstream.facts
    wanted = "" if form.schema is None else f" It follows this JSON Schema: {bytes(form.schema).decode()}"
    if request.tools and facts.thinking not in ("level", ""):
        return f"The final answer is one JSON value and nothing else.{wanted}"
    config["responseMimeType"] = "application/json"
    if form.schema is None:
        return ""
    if not facts.json_schema:
        return f"Answer with one JSON value and nothing else.{wanted}"
    if not facts.schema_subset:
        config["responseJsonSchema"] = form.schema
    elif (subset := subset_of(form.schema, "response_format")) is not None:
        config["responseSchema"] = subset
    return ""


def _speech(audio: Raw | None) -> Json:
    """The voice. Raises ApiError for a form of sound that can't be made of bare samples."""
    found = any_of(audio) if audio is not None else None
    form = text(found.get("format")) if isinstance(found, dict) else ""
    if form not in _SOUNDS:
        raise ApiError(
            UNSUPPORTED_PARAMETER,
            f"'audio.format' is '{form[:32]}', but this model can only be heard as wav or pcm16.",
            param="audio.format",
        )
    voice = text(found.get("voice")) if isinstance(found, dict) else ""
    if not voice:
        return {}
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": _VOICES.get(voice, voice)}}}
