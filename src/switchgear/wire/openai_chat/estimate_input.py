"""The text of a request that costs tokens, for a count where the upstream reports none.

Images, audio and files are left out: their data is no text.
"""

from typing import Any

from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.call import Call
from switchgear.wire.framing.splice import NULL
from switchgear.wire.openai_shared.gather import gather, lenient

TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
TOKENS_OF_REPLY_START = 3

_JSON_KEYS = ("tools", "functions", "response_format")
# Of parts and messages, the keys whose strings the model reads.
_TEXT_KEYS = ("content", "text", "refusal", "reasoning_content", "name")
_BINARY_PARTS = frozenset({"image_url", "input_image", "input_audio", "file", "video_url", "video"})


def input_text(call: Call) -> str:
    """Messages, prompt or input, then tools and schemas as spelt; at most the size of the request."""
    texts: list[str] = []
    for key in ("messages", "prompt", "suffix", "input"):
        if key in call.fields:
            gather(lenient(call.fields[key]), texts, _TEXT_KEYS, _BINARY_PARTS, _gather_calls)
    for key in _JSON_KEYS:
        if key in call.fields and call.fields[key] != NULL:
            texts.append(bytes(call.fields[key]).decode("utf-8", "replace"))
    return "\n".join(texts)


def overhead_tokens(call: Call) -> int:
    """Tokens that stand for no text: the frame of each chat message and the start of the reply; for a prompt
    that came as token numbers, their count."""
    if call.operation != "openai_chat":
        key = "prompt" if call.operation == "openai_completions" else "input"
        return min(_count_numbers(lenient(call.fields[key])), TOKENS_MAX) if key in call.fields else 0
    messages = lenient(call.fields["messages"])
    if not isinstance(messages, list):
        return 0
    names = sum(1 for message in messages if isinstance(message, dict) and message.get("name"))
    return TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_NAME * names + TOKENS_OF_REPLY_START


def _gather_calls(message: dict[str, Any], texts: list[str]) -> None:
    calls = message.get("tool_calls")
    functions = (
        [call.get("function") or call.get("custom") for call in calls if isinstance(call, dict)]
        if (isinstance(calls, list))
        else []
    )
    functions.append(message.get("function_call"))
    for function in functions:
        if isinstance(function, dict):
            texts.extend(
                text for key in ("name", "arguments", "input") if isinstance(text := function.get(key), str)
            )


def _count_numbers(value: Any) -> int:
    if isinstance(value, list):
        return sum(1 if isinstance(item, int | float) else _count_numbers(item) for item in value)
    return 0
