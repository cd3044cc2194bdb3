"""The Gemini dialect of the simulated upstream: requests read into facts, answers in its form."""

import json
from collections.abc import Iterator

from tests.sim import replies, seal
from tests.sim.facts import Facts, Json, Tool, Turn, compact
from tests.sim.script import LOGPROB, SEARCH_QUERY, Answer, Usage, alternatives

REQUEST_ID_HEADER = "x-request-id"
FINISH_REASONS = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "calls": "STOP",
    "refusal": "SAFETY",
}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
SKIP_VALIDATOR = "skip_thought_signature_validator"


def facts_of(call: Json, model: str) -> Facts:
    config = call.get("generationConfig") or {}
    choice = (call.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = choice.get("allowedFunctionNames")
    tools = [tool for tool in declarations(call) if not allowed or tool["name"] in allowed]
    mode = {"ANY": "required", "NONE": "none"}.get(choice.get("mode", "AUTO"), "auto")
    if mode == "required" and allowed and len(allowed) == 1:
        mode = f"={allowed[0]}"
    return Facts(
        turns=tuple(_turns(call)),
        tools=tuple(Tool(tool["name"], schema_of(tool)) for tool in tools),
        choice=mode,
        thinking=_lets_think(config, model),
        schema=_reply_schema(config),
        cap=config.get("maxOutputTokens"),
        stop=tuple(config.get("stopSequences") or ()),
        search=any("googleSearch" in tool for tool in call.get("tools") or ()),
        copies=config.get("candidateCount") or 1,
    )


def declarations(call: Json) -> list[Json]:
    return [made for tool in call.get("tools") or () for made in tool.get("functionDeclarations") or ()]


def schema_of(declaration: Json) -> Json:
    found: Json = declaration.get("parametersJsonSchema") or declaration.get("parameters") or {}
    return found


def _reply_schema(config: Json) -> Json | None:
    if config.get("responseMimeType") != "application/json":
        return None
    return config.get("responseJsonSchema") or config.get("responseSchema") or {}


def _lets_think(config: Json, model: str) -> bool:
    """On by default, as those models have it; the light ones are off until they are told."""
    thinking = config.get("thinkingConfig") or {}
    if "flash-lite" in model and "2.5" in model:
        return bool(thinking.get("thinkingBudget"))
    return thinking.get("thinkingBudget") != 0


def _turns(call: Json) -> Iterator[Turn]:
    system = call.get("systemInstruction")
    if system:
        yield Turn("system", _text(system["parts"]))
    for content in call["contents"]:
        parts = content["parts"]
        for part in parts:
            if "functionResponse" in part:
                response = part["functionResponse"]
                yield Turn("tool", _result(response["response"]), tuple(_media(response.get("parts") or [])))
        rest = [part for part in parts if "functionResponse" not in part]
        if rest:
            calls = sum("functionCall" in part for part in rest)
            role = "assistant" if content.get("role") == "model" else "user"
            yield Turn(role, _text(rest), tuple(_media(rest)), calls)


def _text(parts: list[Json]) -> str:
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def _result(response: Json) -> str:
    """What the tool said: the usual keys hold a text, anything else is told as JSON."""
    for key in ("output", "result", "error"):
        if set(response) == {key}:
            return response[key] if isinstance(response[key], str) else compact(response[key])
    return compact(response)


def _media(parts: list[Json]) -> Iterator[str]:
    for part in parts:
        if "inlineData" in part:
            yield part["inlineData"]["mimeType"]
        elif "fileData" in part:
            yield "url"


def usage_of(usage: Usage) -> Json:
    """Cached tokens are part of the prompt, thoughts stand beside the candidates, writes have no name."""
    found: Json = {
        "promptTokenCount": usage.input_all,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": usage.input_all + usage.output_all,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input_all}],
    }
    if usage.reasoning:
        found["thoughtsTokenCount"] = usage.reasoning
    if usage.cache_read:
        found["cachedContentTokenCount"] = usage.cache_read
        found["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.cache_read}]
    return found


def call_parts(model: str, answer: Answer, reply_id: str) -> list[Json]:
    """The calls; from version 3 on the first one of a step is signed."""
    parts: list[Json] = []
    for number, made in enumerate(answer.calls, 1):
        made_id = f"fc_{reply_id}_{number}"
        part: Json = {"functionCall": {"id": made_id, "name": made.name, "args": made.arguments}}
        if number == 1 and (is_third(model) or answer.reasoning):
            part["thoughtSignature"] = signature_of(made.name)
        parts.append(part)
    return parts


def is_third(model: str) -> bool:
    return model.startswith(("gemini-3", "models/gemini-3"))


def signature_of(name: str) -> str:
    return seal.seal("gemini", name)


def _shows_thoughts(call: Json) -> bool:
    thinking = (call.get("generationConfig") or {}).get("thinkingConfig") or {}
    return bool(thinking.get("includeThoughts"))


def whole(call: Json, model: str, answer: Answer, reply_id: str) -> Json:
    end = _end(model, answer, reply_id)
    if answer.finish == "block":
        return end
    parts: list[Json] = []
    if answer.reasoning and not answer.redacted and _shows_thoughts(call):
        parts.append({"text": answer.whole_reasoning, "thought": True})
    if answer.text and answer.finish != "refusal":
        parts.append({"text": answer.whole_text} | _text_signature(answer))
    parts += call_parts(model, answer, reply_id)
    candidate = (
        _candidate(answer)
        | _logprobs(call, answer.text)
        | ({"content": {"role": "model", "parts": parts}} if parts else {})
    )
    copies = (call.get("generationConfig") or {}).get("candidateCount") or 1
    return end | {"candidates": [{"index": index} | candidate for index in range(copies)]}


def _text_signature(answer: Answer) -> Json:
    return {"thoughtSignature": signature_of("")} if answer.reasoning and not answer.calls else {}


def _logprobs(call: Json, tokens: tuple[str, ...]) -> Json:
    config = call.get("generationConfig") or {}
    if not config.get("responseLogprobs") or not tokens:
        return {}
    top = [
        [
            {"token": other, "logProbability": value}
            for other, value in alternatives(token, config.get("logprobs") or 0)
        ]
        for token in tokens
    ]
    chosen = [{"token": token, "tokenId": 1, "logProbability": LOGPROB} for token in tokens]
    found: Json = {"chosenCandidates": chosen, "topCandidates": [{"candidates": others} for others in top]}
    return {"logprobsResult": found, "avgLogprobs": LOGPROB}


def _candidate(answer: Answer) -> Json:
    found: Json = {"finishReason": FINISH_REASONS[answer.finish]}
    if answer.finish == "refusal":
        rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
        found["safetyRatings"] = [rating]
    if answer.usage.searches:
        found["groundingMetadata"] = _grounding(answer)
    return found


def _grounding(answer: Answer) -> Json:
    web = {"uri": "https://example.com/france", "title": "France", "domain": "example.com"}
    found: Json = {"webSearchQueries": [SEARCH_QUERY], "groundingChunks": [{"web": web}]}
    if (cited := answer.citation) is not None:
        text = answer.whole_text
        start, end = (len(text[:at].encode()) for at in (cited.start, cited.end))
        segment = {"startIndex": start, "endIndex": end, "text": text[cited.start : cited.end]}
        found["groundingSupports"] = [{"segment": segment, "groundingChunkIndices": [0]}]
    found["searchEntryPoint"] = {"renderedContent": "<div>France</div>"}
    return found


def _end(model: str, answer: Answer, reply_id: str) -> Json:
    found: Json = {
        "usageMetadata": usage_of(answer.usage),
        "modelVersion": model.removeprefix("models/"),
        "responseId": reply_id,
    }
    if answer.finish == "block":
        found["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
    return found


def chunks(call: Json, model: str, answer: Answer, reply_id: str) -> list[Json]:
    """The objects of the stream: each holds new parts, the last the reason of the end and the whole usage."""
    end = _end(model, answer, reply_id)
    if answer.finish == "block":
        return [end]
    parts: list[Json] = []
    if not answer.redacted and _shows_thoughts(call):
        parts += [{"text": piece, "thought": True} for piece in answer.reasoning]
    if answer.finish != "refusal":
        parts += [{"text": piece} for piece in answer.text]
    parts += call_parts(model, answer, reply_id)
    if signed := _text_signature(answer):
        parts.append({"text": ""} | signed)
    copies = (call.get("generationConfig") or {}).get("candidateCount") or 1
    early = {"promptTokenCount": answer.usage.input_all, "totalTokenCount": answer.usage.input_all}
    found = [
        end
        | {
            "usageMetadata": early,
            "candidates": [{"index": index, "content": _model_turn([part])} | _part_logprobs(call, part)],
        }
        for part in parts
        for index in range(copies)
    ]
    last = [{"index": index, "content": _model_turn([{"text": ""}])} for index in range(copies)]
    return [*found, end | {"candidates": [candidate | _candidate(answer) for candidate in last]}]


def _part_logprobs(call: Json, part: Json) -> Json:
    return {} if part.get("thought") or not part.get("text") else _logprobs(call, (part["text"],))


def _model_turn(parts: list[Json]) -> Json:
    return {"role": "model", "parts": parts}


def frame(item: Json) -> bytes:
    return f"data: {compact(item)}\r\n\r\n".encode()


def array_pieces(items: list[Json]) -> list[bytes]:
    """The stream as one JSON array, sent piece by piece: the form without ``alt=sse``."""
    pieces = [json.dumps(item, indent=2).encode() for item in items]
    return [b"[" + pieces[0], *(b",\r\n" + piece for piece in pieces[1:]), b"]"]


def array_end(item: Json, sent: int) -> bytes:
    """One more element after ``sent`` others, and the end of the array."""
    return (b",\r\n" if sent else b"[") + json.dumps(item, indent=2).encode() + b"]"


def error_body(status: int, message: str, reason: str | None = None) -> Json:
    details: list[Json] = []
    if reason is not None:
        info = "type.googleapis.com/google.rpc.ErrorInfo"
        details.append({"@type": info, "reason": reason, "domain": "googleapis.com"})
    if status == 429:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"})
    error: Json = {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}
    return {"error": error | ({"details": details} if details else {})}


def embedding(request: Json) -> Json:
    text = _text(request["content"]["parts"])
    size = request.get("outputDimensionality") or replies.EMBEDDING_DIMENSIONS
    return {"values": replies.embedding_of(text, size)}


def models_reply(names: tuple[str, ...]) -> Json:
    return {"models": [model_reply(name) for name in names]}


def model_reply(name: str) -> Json:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.title(),
        "description": "A simulated model.",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"],
    }
