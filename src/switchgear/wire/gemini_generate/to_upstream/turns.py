"""Turns as contents for an upstream."""

from msgspec import Raw
from msgspec.structs import replace

from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.signatures import SKIP
from switchgear.wire.gemini_generate.to_upstream.parts import Media, media_parts
from switchgear.wire.gemini_generate.values import Json
from switchgear.wire.neutral.documents import spelt_out
from switchgear.wire.neutral.history import merged, paired, shown_by_user
from switchgear.wire.neutral.maker import GOOGLE
from switchgear.wire.neutral.request import (
    HostedItem,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Upstream,
)
from switchgear.wire.neutral.tool_ids import ToolNames, clean_id

CONTINUE = "Continue from exactly where the text ends."
_RAW_ARGUMENTS = "_raw"


def write_contents(request: Request, upstream: Upstream, names: ToolNames) -> tuple[list[Json], list[Json]]:
    """(contents, parts of the system instruction). Raises ApiError for what can't be carried."""
    system: list[Json] = []
    turns = list(shown_by_user(request.turns))
    while turns and turns[0].role in ("system", "developer"):
        system += [{"text": text} for part in turns.pop(0).parts if (text := _text_of(part))]
    writer = _Writer(upstream, names)
    for turn in merged(paired(_told(turn) for turn in turns)):
        writer.write(turn)
    contents = writer.contents
    if upstream.facts.system_role == "none" or not contents:
        # It takes no instructions, or there is nothing else: they are what the user says first.
        contents, system = _with_front(contents, system), []
    if contents[0]["role"] == "model" and any("functionCall" in part for part in contents[0]["parts"]):
        contents.insert(0, _user([{"text": "."}]))
    if contents[-1]["role"] == "model":
        contents.append(_user([{"text": CONTINUE}]))
    return contents, system


class _Writer:
    def __init__(self, upstream: Upstream, names: ToolNames) -> None:
        self.contents: list[Json] = []
        self._upstream = upstream
        self._names = names
        self._takes_media = upstream.facts.thinking == "level"
        """Results may hold pictures, as of Gemini 3."""
        self._wants_signature = upstream.origin == GOOGLE and upstream.facts.thinking in ("level", "")

    def write(self, turn: Turn) -> None:
        if turn.role == "assistant":
            self._add("model", self._answer(turn))
            return
        results: list[Json] = []
        rest: list[Json] = []
        for part in spelt_out(turn.parts):
            if isinstance(part, ToolResult):
                results.append(self._result(part, rest))
            else:
                rest += self._user_part(part)
        # Text beside results would be taken for a part of them.
        self._add("user", results)
        self._add("user", rest)

    def _add(self, role: str, parts: list[Json]) -> None:
        if parts:
            self.contents.append({"role": role, "parts": parts})

    def _user_part(self, part: Part) -> list[Json]:
        if isinstance(part, Media):
            return media_parts(part, self._upstream)
        text = _text_of(part)
        return [{"text": text}] if text else []

    def _answer(self, turn: Turn) -> list[Json]:
        parts: list[Json] = []
        pending: Opaque | None = None
        has_call = False
        for part in turn.parts:
            if isinstance(part, Reasoning):
                pending = self._own(part.opaque) or pending
            elif isinstance(part, ToolCall):
                signature = self._own(part.opaque) or pending
                pending = None
                parts.append(self._call(part, signature, is_first=not has_call))
                has_call = True
            elif isinstance(part, HostedItem):
                parts += self._trace(part)
            else:
                written = self._user_part(part)
                if isinstance(part, Text) and written and (signature := self._own(part.opaque)) is not None:
                    written[-1]["thoughtSignature"] = signature.payload
                parts += written
        if pending is not None and parts and "text" in parts[-1]:
            parts[-1].setdefault("thoughtSignature", pending.payload)
        return parts

    def _own(self, opaque: Opaque | None) -> Opaque | None:
        """Only a token of the upstream's own making."""
        if opaque is None or opaque.origin != self._upstream.origin or opaque.kind != "signature":
            return None
        return opaque

    def _call(self, part: ToolCall, signature: Opaque | None, is_first: bool) -> Json:
        call: Json = {"name": self._names.shorten(part.name), "args": _arguments(part)}
        if part.id:
            call = {"id": clean_id(part.id), **call}
        written: Json = {"functionCall": call}
        if signature is not None:
            written["thoughtSignature"] = signature.payload
        elif is_first and self._wants_signature:
            written["thoughtSignature"] = SKIP
        return written

    def _result(self, part: ToolResult, rest: list[Json]) -> Json:
        """What a result can't hold goes to ``rest``, after all results."""
        inside = list(spelt_out(part.parts))
        said = "\n".join(text for inner in inside if (text := _text_of(inner)))
        media = [
            item
            for inner in inside
            if isinstance(inner, Media)
            for item in media_parts(inner, self._upstream)
        ]
        response: Json = {"name": self._names.shorten(part.name), "response": _response(said, part.is_error)}
        if part.call_id:
            response = {"id": clean_id(part.call_id), **response}
        if media and self._takes_media:
            response["parts"] = media
        else:
            rest += media
        return {"functionResponse": response}

    def _trace(self, part: HostedItem) -> list[Json]:
        if part.dialect != "gemini_generate":
            return []
        found = any_of(part.raw)
        return [item for item in (found if isinstance(found, list) else [found]) if isinstance(item, dict)]


def _told(turn: Turn) -> Turn:
    """Instructions within a conversation are told by the user, marked as what they are. Empty texts are left
    out here, so that a turn of nothing else does not stand between its neighbours."""
    if turn.role not in ("system", "developer"):
        return replace(turn, parts=tuple(part for part in turn.parts if not _is_empty(part)))
    said = "\n".join(text for part in turn.parts if (text := _text_of(part)))
    if not said:
        return Turn("user", ())
    return Turn("user", (Text(f"<system-reminder>\n{said}\n</system-reminder>"),))


def _is_empty(part: Part) -> bool:
    return isinstance(part, Text | Refusal) and not part.text and getattr(part, "opaque", None) is None


def _text_of(part: Part) -> str:
    return part.text if isinstance(part, Text | Refusal) else ""


def _user(parts: list[Json]) -> Json:
    return {"role": "user", "parts": parts}


def _with_front(contents: list[Json], system: list[Json]) -> list[Json]:
    if contents and not system:
        return contents
    front = system or [{"text": "."}]
    if contents and contents[0]["role"] == "user" and "functionResponse" not in contents[0]["parts"][0]:
        return [_user(front + contents[0]["parts"]), *contents[1:]]
    return [_user(front), *contents]


def _arguments(part: ToolCall) -> Raw | Json:
    """An object in any case: a call that is left out makes its result an orphan, and the answer empty."""
    if part.kind == "custom":
        return {"input": part.arguments}
    if not part.arguments.strip():
        return {}
    data = part.arguments.encode("utf-8", "replace")
    return Raw(data) if isinstance(any_of(data), dict) else {_RAW_ARGUMENTS: part.arguments}


def _response(said: str, is_error: bool) -> Raw | Json:
    """A result has to be an object."""
    if is_error:
        return {"error": said}
    if said.lstrip().startswith("{"):
        data = said.encode("utf-8", "replace")
        if isinstance(any_of(data), dict):
            return Raw(data)
    return {"output": said}
