"""What a script of ``tests.e2e.sdks`` should find, whatever upstream its model has.

The answers come from ``tests.sim.script``, which says the same in every dialect; what differs here is only
how a client's own dialect names things; ``vercel`` is the AI SDK, which has names of its own for all of them.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.e2e import settings
from tests.e2e.sdks import asked
from tests.sim import script
from tests.sim.facts import Turn, input_tokens

Finding = Any

WORDS = " ".join(f"word{index}" for index in range(script.WORDS_DEFAULT))
MANY_WORDS = " ".join(f"word{index}" for index in range(script.WORDS_LONG))
WEATHER_CALL = ["weather", {"city": "city 1"}]
CLOCK_ALONE = ["clock", {"zone": "zone 1", "style": "12h"}]
BOTH_CALLS = [WEATHER_CALL, ["clock", {"zone": "zone 2", "style": "12h"}]]
CITY = {"city": "city 1", "people": 1}
PIECES_MIN = 20
"""Of the 200 that a long answer has: a relay that held a stream back would show fewer."""
COUNT_MAX = 100
"""A counted text of a few words has fewer tokens, whoever counts."""
STOP = {"chat": "stop", "responses": "completed", "messages": "end_turn", "gemini": "STOP", "vercel": "stop"}
CALLS = {
    "chat": "tool_calls",
    "responses": "completed",
    "messages": "tool_use",
    "gemini": "STOP",
    "vercel": "tool-calls",
}
LENGTH: dict[str, Finding] = {
    "chat": "length",
    "responses": ["incomplete", "max_output_tokens"],
    "messages": "max_tokens",
    "gemini": "MAX_TOKENS",
    "vercel": "length",
}
REFUSED: dict[str, list[Finding]] = {
    "chat": ["stop", "content_filter"],
    "responses": [["completed", None], ["incomplete", "content_filter"]],
    "messages": ["refusal", "end_turn"],
    "gemini": ["SAFETY"],
}
"""How a refusal may end: some vendors say it in words and end in order, others cut it off."""
OPENAI_ERRORS = {
    "key_wrong": ("AuthenticationError", 401),
    "model_unknown": ("NotFoundError", 404),
    "model_not_allowed": ("PermissionDeniedError", 403),
    "rate": ("RateLimitError", 429),
    "response_unknown": ("NotFoundError", 404),
    "upstream_400": ("BadRequestError", 400),
    "upstream_cut": ("APIError", None),
    "upstream_midstream": ("APIError", None),
    "upstream_500": ("InternalServerError", ...),
    "upstream_429": ("RateLimitError", 429),
}
ANTHROPIC_ERRORS = {
    **{name: pair for name, pair in OPENAI_ERRORS.items() if name != "response_unknown"},
    "upstream_cut": ("APIStatusError", ...),
    "upstream_midstream": ("APIStatusError", ...),
}
GEMINI_ERRORS = {
    **{
        name: ("ServerError" if name in ("upstream_500", "upstream_cut") else "ClientError", status)
        for name, (_, status) in OPENAI_ERRORS.items()
        if name != "response_unknown"
    },
    "key_wrong": ("ClientError", ...),
    "upstream_cut": ("ServerError", ...),
    "upstream_midstream": ("ServerError", ...),
    "upstream_500": ("ServerError", ...),
}
Errors = dict[str, tuple[str, Any]]
"""Case → class and status of what is raised; ``...`` for any status."""
ERRORS: dict[str, Errors] = {
    "chat": OPENAI_ERRORS,
    "responses": OPENAI_ERRORS,
    "messages": ANTHROPIC_ERRORS,
    "gemini": GEMINI_ERRORS,
}


def tokens(*said: tuple[str, str]) -> int:
    """Input tokens of turns of (role, text), as the simulated upstream counts them."""
    return input_tokens(tuple(Turn(role, text) for role, text in said))


def check(case: str, found: Finding, dialect: str, model: str) -> None:
    """Raises AssertionError unless the finding of a case is right for a client of this dialect."""
    CHECKS[case](found, dialect, model)


def _equal(expected: Callable[[str], Finding]) -> Callable[[Finding, str, str], None]:
    def compare(found: Finding, dialect: str, _: str) -> None:
        assert found == expected(dialect)

    return compare


def _text(found: Finding, dialect: str, _: str) -> None:
    expected = {"text": WORDS, "finish": STOP[dialect]}
    assert found == found | expected | {"usage": [tokens(("user", asked.TEXT)), script.WORDS_DEFAULT]}


def _stream(found: Finding, dialect: str, _: str) -> None:
    expected = {"text": MANY_WORDS, "finish": STOP[dialect]}
    assert found == found | expected | {"usage": [tokens(("user", asked.LONG_CUE)), script.WORDS_LONG]}
    assert found.get("pieces", PIECES_MIN) >= PIECES_MIN


def _history(dialect: str) -> Finding:
    usage = [tokens(("system", asked.SYSTEM), *asked.HISTORY), 4]
    return {"text": "You said: And two?", "finish": STOP[dialect], "usage": usage}


def _tools(found: Finding, dialect: str, _: str) -> None:
    expected = {
        "calls": BOTH_CALLS,
        "ids": 2,
        "finish": CALLS[dialect],
        "answer": "The tool said: rain; noon",
    }
    assert _unwrapped(found) == {name: expected[name] for name in found}


def _thinking(found: Finding, _: str, __: str) -> None:
    assert _unwrapped(found) == {
        "reasoning": script.REASONING,
        "calls": [WEATHER_CALL],
        "reasoning_after": script.REASONING_AFTER_RESULTS,
        "answer": "The tool said: rain",
    }


def _unwrapped(found: Finding) -> Finding:
    """A finding with its calls decoded and its answer free of what one SDK wraps a tool's word in."""
    plain = found | {"calls": _decoded(found["calls"])}
    if isinstance(answer := found.get("answer"), str):
        plain["answer"] = re.sub(r'\{"name":"\w+","content":"(\w+)"\}', r"\1", answer)
    return plain


def _decoded(calls: list[Any]) -> list[Any]:
    """Calls with their arguments as values, for dialects that write them as text."""
    return [[name, json.loads(given) if isinstance(given, str) else given] for name, given in calls]


def _forced(found: Finding, _: str, __: str) -> None:
    assert _decoded(found) == [CLOCK_ALONE]


def _json_text(found: Finding, _: str, __: str) -> None:
    assert json.loads(found) == CITY


def _cache(dialect: str) -> Finding:
    fresh = tokens(("user", asked.CACHE_CUE))
    return [fresh + (0 if dialect == "messages" else script.CACHE_READ_TOKENS), script.CACHE_READ_TOKENS]


def _refusal(found: Finding, dialect: str, _: str) -> None:
    assert found["finish"] in REFUSED[dialect]
    assert found["text"] in (script.REFUSAL, "", None)


def _count(found: Finding, _: str, __: str) -> None:
    assert 1 <= found <= COUNT_MAX


def _models(found: Finding, dialect: str, model: str) -> None:
    assert found == [True, f"models/{model}" if dialect == "gemini" else model]


CHECKS: dict[str, Callable[[Finding, str, str], None]] = {
    "text": _text,
    "stream": _stream,
    "stream_gathered": _stream,
    "history": _equal(_history),
    "tools": _tools,
    "tools_stream": _tools,
    "forced": _forced,
    "structured": _equal(lambda _: CITY),
    "structured_schema": _json_text,
    "thinking": _thinking,
    "thinking_stream": _equal(lambda _: {"reasoning": script.REASONING, "text": WORDS}),
    "chat": _equal(lambda _: ["You said: one", "You said: two", True]),
    "state": _equal(
        lambda _: {
            "texts": ["You said: one", "You said: two", "You said: one"],
            "grew": True,
            "items": True,
            "gone": True,
        }
    ),
    "state_tools": _equal(lambda _: "The tool said: rain"),
    "image": _equal(lambda _: "I saw 1 attachment: image/png."),
    "cache": _equal(_cache),
    "length": _equal(lambda dialect: LENGTH[dialect]),
    "refusal": _refusal,
    "count": _count,
    "models": _models,
}


def check_errors(found: dict[str, Finding], expected: Errors) -> None:
    """Raises AssertionError unless each case raised the SDK's own class for it, with the status."""
    wrong = {
        name: (found[name], kind, status)
        for name, (kind, status) in expected.items()
        if name in found and (found[name]["class"] != kind or status not in (..., found[name]["status"]))
    }
    assert not wrong


def charge_nanos() -> int:
    """What the case ``charge`` costs: the same for whoever asks and whoever answers."""
    fresh = tokens(("user", asked.CHARGE_CUE))
    written = script.WORDS_DEFAULT + len(script.deltas(script.REASONING))
    rates = {name: float(rate) for name, rate in settings.PRICES.items()}
    return round(
        1000
        * (
            fresh * rates["input_usd_per_mtok"]
            + script.CACHE_READ_TOKENS * rates["cache_read_usd_per_mtok"]
            + written * rates["output_usd_per_mtok"]
        )
    )
