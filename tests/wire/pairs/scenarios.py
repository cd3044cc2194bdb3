"""What is played for every pair of dialects, and the upstreams that it is played to."""

import json
from typing import Any

import msgspec
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import Outcome, Target, run
from tests.wire.pairs.sdk import Broke, Sdks
from tests.wire.pairs.upstream import Wire

from switchgear.kernel.dialects import DIALECTS, DialectName

GREETING = "[echo] Grüße 🎉"
SCENARIOS: dict[str, Ask] = {
    "plain": Ask(GREETING),
    "stream": Ask(GREETING, stream=True),
    "tools": Ask("[tool] How warm is it?", tools=True),
    "parallel_tools": Ask("[tools] How warm is it, and how late?", stream=True, tools=True),
    "images": Ask("[image] What is it?", image=True),
    "reasoning": Ask("[think] [echo] Hi", stream=True, think=True),
    "reasoning_with_tools": Ask("[think] [tool] [again] How warm?", think=True, tools=True),
    "reasoning_with_tools_stream": Ask("[think] [tool] How warm?", stream=True, think=True, tools=True),
    "redacted_with_tools": Ask("[redacted] [tool] How warm?", stream=True, think=True, tools=True),
    "structured_output": Ask("Who?", schema=True),
    "cache": Ask("[cache-write] [echo] Hi", cache=True),
    "search": Ask("[search] The capital of France?", stream=True, search=True),
    "length": Ask("[length] Tell all.", stream=True),
    "refusal": Ask("[refuse] Tell all.", stream=True),
    "block": Ask("[block] Tell all."),
    "error": Ask("[error-429] Hi"),
    "error_midstream": Ask("[error-midstream] Tell all.", stream=True),
    "cut": Ask("[cut] Tell all.", stream=True),
}
TARGETS: dict[DialectName, Target] = {
    "openai_chat": Target("openai_chat", "openai", "gpt-4.1"),
    "openai_responses": Target("openai_responses", "openai", "gpt-5.2"),
    "anthropic_messages": Target("anthropic_messages", "anthropic", "claude-sonnet-4-5"),
    "gemini_generate": Target("gemini_generate", "gemini", "gemini-3-flash-preview"),
}
REASONER = Target("openai_chat", "deepseek", "deepseek-reasoner")
"""OpenAI's own models do not show their reasoning in this dialect; others do."""
NEEDS: dict[str, tuple[DialectName, ...]] = {
    "redacted_with_tools": ("openai_responses", "anthropic_messages", "gemini_generate"),
}
"""Scenario → the upstreams that can play it; all, if not named."""
PAIRS = [(client, upstream) for client in DIALECTS for upstream in DIALECTS]
HEADERS: dict[DialectName, dict[str, str]] = {"anthropic_messages": {"anthropic-version": "2023-06-01"}}
TURNS_MAX = 4


def scenarios_of(upstream: DialectName) -> list[str]:
    return [name for name in SCENARIOS if upstream in NEEDS.get(name, DIALECTS)]


class Turn(msgspec.Struct):
    """One call of a conversation. ``heard``: what the SDK made of the reply, or the error that it raised."""

    path: str
    body: Any
    outcome: Outcome
    heard: dict[str, Any] | Broke


def target_of(upstream: DialectName, ask: Ask) -> Target:
    return REASONER if upstream == "openai_chat" and ask.think else TARGETS[upstream]


def play(client: DialectName, upstream: DialectName, ask: Ask, sdks: Sdks) -> list[Turn]:
    """The whole conversation: the client answers every call that it hears of, until none comes."""
    asker = ASKERS[client](ask)
    turns: list[Turn] = []
    wire = Wire()
    while len(turns) < TURNS_MAX:
        body = json.loads(json.dumps(asker.body))
        outcome = run(
            asker.path,
            json.dumps(body, ensure_ascii=False).encode(),
            target_of(upstream, ask),
            wire,
            HEADERS.get(client),
        )
        sdks.reply = outcome.status, outcome.headers, outcome.frames
        try:
            heard: dict[str, Any] | Broke = sdks.hear(client, ask.stream)
        except Broke as broke:
            heard = broke
        turns.append(Turn(asker.path, body, outcome, heard))
        if isinstance(heard, Broke) or not ask.tools or not asker.take(heard):
            break
    return turns
