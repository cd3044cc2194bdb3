"""Contents of a client as turns."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.kernel.limits import MESSAGES_MAX, PARTS_MAX
from switchgear.wire.gemini_generate.from_client.parts import read_media, read_result
from switchgear.wire.gemini_generate.signatures import read_signature
from switchgear.wire.gemini_generate.values import Json, check_count, flag_in, pick, text, wrong_type
from switchgear.wire.neutral.maker import GOOGLE
from switchgear.wire.neutral.request import HostedItem, Opaque, Part, Reasoning, Seals, Text, ToolCall, Turn

_encode = msgspec.json.Encoder().encode
_TRACES = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
_ROLES = {"model": "assistant", "assistant": "assistant", "user": "user", "function": "user", "tool": "user"}


def read_contents(contents: Any, seals: Seals) -> list[Turn]:
    """Turns in the order of the contents, one for each. Raises ApiError that names content and part."""
    if isinstance(contents, dict):
        contents = [contents]
    if not isinstance(contents, list):
        raise wrong_type("contents", "an array of contents")
    check_count(len(contents), MESSAGES_MAX, "contents", "contents")
    turns: list[Turn] = []
    count = 0
    for index, content in enumerate(contents):
        turns.append(_turn(content, f"contents[{index}]", seals))
        count += len(turns[-1].parts)
        check_count(count, PARTS_MAX, "parts", "contents")
    return turns


def read_system(instruction: Any) -> tuple[Turn, ...]:
    """``systemInstruction``: a content, its parts, or a plain text. Raises ApiError."""
    if instruction is None:
        return ()
    place = "systemInstruction"
    parts = [Text(said) for part in _parts_of(instruction, place) if (said := text(pick(part, "text")))]
    return (Turn("system", tuple(parts)),) if parts else ()


def _turn(content: Any, place: str, seals: Seals) -> Turn:
    if isinstance(content, str):
        return Turn("user", (Text(content),) if content else ())
    if not isinstance(content, dict):
        raise wrong_type(place, "a content")
    role = _ROLES.get(str(content.get("role") or "user"))
    if role is None:
        raise ApiError(INVALID_VALUE, "Please use a valid role: user, model.", param=f"{place}.role")
    reader = _PartReader(seals)
    for index, part in enumerate(_parts_of(content, place)):
        reader.take(part, f"{place}.parts[{index}]")
    return Turn(role, tuple(reader.parts))  # type: ignore[arg-type]


def _parts_of(content: Any, place: str) -> list[Json]:
    """Parts as objects, however the client wrote them."""
    parts = content.get("parts") if isinstance(content, dict) else content
    if isinstance(content, dict) and parts is None and "text" in content:
        parts = [content]
    if parts is None:
        return []
    found = parts if isinstance(parts, list) else [parts]
    check_count(len(found), PARTS_MAX, "parts", f"{place}.parts")
    for index, part in enumerate(found):
        if isinstance(part, str):
            found[index] = {"text": part}
        elif not isinstance(part, dict):
            raise wrong_type(f"{place}.parts[{index}]", "an object")
    return found


class _PartReader:
    """The parts of one content. A token of another maker vouches for reasoning, so it goes to where the
    reasoning stands: before what it led to."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self._step = 0
        self.parts: list[Part] = []

    def take(self, part: Json, place: str) -> None:
        """Appends what the part says. Raises ApiError."""
        signature = text(pick(part, "thoughtSignature"))
        opaque = read_signature(signature, self._seals) if signature else None
        if opaque is not None and opaque.origin != GOOGLE:
            self._vouch(opaque)
            opaque = None
        if isinstance(call := pick(part, "functionCall"), dict):
            self._take_call(call, place, opaque)
        elif isinstance(result := pick(part, "functionResponse"), dict):
            self.parts.append(read_result(result, place))
        elif (media := read_media(part, place)) is not None:
            self.parts.append(media)
        elif any(isinstance(pick(part, key), dict) for key in _TRACES):
            self.parts.append(HostedItem("gemini_generate", "code_execution", Raw(_encode(part))))
        else:
            self._take_text(part, place, opaque)

    def _take_text(self, part: Json, place: str, opaque: Opaque | None) -> None:
        said = pick(part, "text")
        if said is not None and not isinstance(said, str):
            raise wrong_type(f"{place}.text", "a string")
        if flag_in(part, "thought"):
            if said or opaque is not None:
                self.parts.append(Reasoning(said or "", opaque))
        elif said:
            self.parts.append(Text(said, opaque=opaque))
        elif opaque is not None:
            self._sign_last(opaque)

    def _take_call(self, call: Json, place: str, opaque: Opaque | None) -> None:
        name = pick(call, "name")
        if not isinstance(name, str) or not name:
            raise wrong_type(f"{place}.functionCall.name", "a string")
        args = call.get("args")
        if args is not None and not isinstance(args, dict):
            raise wrong_type(f"{place}.functionCall.args", "an object")
        written = _encode(args or {}).decode()
        self.parts.append(ToolCall(text(call.get("id")), name, written, opaque=opaque))
        self._step = len(self.parts)

    def _sign_last(self, opaque: Opaque) -> None:
        """An empty part holds the signature of the text before it."""
        last = self.parts[-1] if self.parts else None
        if isinstance(last, Text | Reasoning) and last.opaque is None:
            self.parts[-1] = msgspec.structs.replace(last, opaque=opaque)

    def _vouch(self, opaque: Opaque) -> None:
        step = self._step
        for at in range(len(self.parts) - 1, step - 1, -1):
            part = self.parts[at]
            if isinstance(part, Reasoning):
                if part.opaque is None and opaque.kind == "signature":
                    self._join_thoughts(at, opaque)
                    return
                step = at + 1
                break
        self.parts.insert(step, Reasoning("", opaque))

    def _join_thoughts(self, last: int, opaque: Opaque) -> None:
        """Clients keep the thoughts of a stream in pieces; the token vouches for all of them together."""
        first = last
        while first > self._step and _is_bare(self.parts[first - 1]):
            first -= 1
        said = "".join(part.text for part in self.parts[first : last + 1] if isinstance(part, Reasoning))
        self.parts[first : last + 1] = [Reasoning(said, opaque)]


def _is_bare(part: Part) -> bool:
    return isinstance(part, Reasoning) and part.opaque is None
