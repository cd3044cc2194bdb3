"""All events of an answer as one whole reply of this dialect: the deltas of the stream, added up."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import Choice, Event, Finish, TextDelta, UsageSeen
from switchgear.wire.openai_chat.to_client.speech import join_data
from switchgear.wire.openai_chat.to_client.writer import Deltas, usage_object

_encode = msgspec.json.Encoder().encode
_decode_tokens = msgspec.json.Decoder(list[Raw]).decode
_TEXTS = ("content", "reasoning_content", "refusal")


def write_reply(events: list[Event], head: Head) -> bytes:
    """The body of a whole reply."""
    deltas = Deltas(head)
    answers: dict[int, _Answer] = {0: _Answer()}
    usage: Usage | None = None
    index = 0
    for event in events:
        if isinstance(event, Choice):
            index = event.index
            answers.setdefault(index, _Answer())
        elif isinstance(event, UsageSeen):
            usage = event.usage
        elif isinstance(event, Finish):
            answers[index].reason = deltas.reason(index, event)
        else:
            if isinstance(event, TextDelta) and event.logprobs is not None:
                answers[index].logprobs.append(event.logprobs)
            if (delta := deltas.of(event, index)) is not None:
                answers[index].add(delta)
    reply: dict[str, Any] = {
        "id": f"chatcmpl-{head.id}",
        "object": "chat.completion",
        "created": head.created_s,
        "model": head.model,
        "choices": [answers[index].choice(index) for index in sorted(answers)],
    }
    if usage is not None:
        reply["usage"] = usage_object(usage)
    reply["service_tier"] = "default"
    reply["system_fingerprint"] = None
    return _encode(reply)


class _Answer:
    """One message, as far as its deltas have come."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._message: dict[str, Any] = {}
        self._calls: list[dict[str, Any]] = []
        self._sounds: list[str] = []
        self.logprobs: list[Raw] = []
        self.reason = "stop"

    def add(self, delta: dict[str, Any]) -> None:
        for key, value in delta.items():
            if key in _TEXTS:
                self._texts.setdefault(key, []).append(value)
            elif key == "tool_calls":
                self._add_call(value[0])
            elif key == "function_call":
                self._add_legacy(value)
            elif key == "reasoning_details":
                self._add_detail(value[0])
            elif isinstance(value, list):
                # Only pieces of a stream are numbered.
                entries = [{name: item[name] for name in item if name != "index"} for item in value]
                self._message.setdefault(key, []).extend(entries)
            elif key == "audio":
                self._add_audio(value)
            else:
                self._message[key] = value

    def choice(self, index: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        texts = {key: "".join(pieces) for key, pieces in self._texts.items()}
        has_other = bool(self._calls) or "refusal" in texts
        has_other = has_other or any(key in self._message for key in ("audio", "function_call"))
        message["content"] = texts.pop("content", None if has_other else "")
        message["refusal"] = texts.pop("refusal", None)
        message |= texts
        message |= self._message
        if self._sounds:
            message["audio"]["data"] = join_data(self._sounds)
        message.setdefault("annotations", [])
        if self._calls:
            message["tool_calls"] = self._calls
        tokens = [token for piece in self.logprobs for token in _tokens(piece)]
        logprobs = {"content": tokens, "refusal": None} if tokens else None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": self.reason}

    def _add_call(self, piece: dict[str, Any]) -> None:
        if "id" in piece:
            self._calls.append({key: value for key, value in piece.items() if key != "index"})
            return
        call = self._calls[piece["index"]]
        for kind, text in (("function", "arguments"), ("custom", "input")):
            if kind in piece:
                call[kind][text] += piece[kind][text]

    def _add_legacy(self, piece: dict[str, Any]) -> None:
        call = self._message.setdefault("function_call", {"name": "", "arguments": ""})
        call["name"] = piece.get("name") or call["name"]
        call["arguments"] += piece["arguments"]

    def _add_detail(self, detail: dict[str, Any]) -> None:
        """In a whole reply a signature stands with the text that it vouches for."""
        if "signature" in detail:
            said = sum(len(item.get("text", "")) for item in self._message.get("reasoning_details", []))
            detail = {**detail, "text": "".join(self._texts.get("reasoning_content", []))[said:]}
        self._message.setdefault("reasoning_details", []).append(detail)

    def _add_audio(self, piece: dict[str, Any]) -> None:
        audio = self._message.setdefault("audio", {})
        for key, value in piece.items():
            if key == "data":
                self._sounds.append(value)
            else:
                audio[key] = audio.get(key, "") + value if key == "transcript" else value


def _tokens(logprobs: Raw) -> list[Raw]:
    try:
        return _decode_tokens(logprobs)
    except msgspec.ValidationError:
        return []  # no upstream's form of them
