"""What routing, admission and the estimate need to know of a request, in whatever dialect it came."""

from typing import Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.dialects import DialectName, OperationName
from switchgear.wire.neutral.request import Thinking

Operation = OperationName


class InPath(msgspec.Struct, frozen=True, gc=False):
    """What a request says outside its body, in dialects that put it into the path."""

    model: str = ""
    stream: bool = False
    array: bool = False
    """The stream is wanted as one JSON array, not as server-sent events."""
    batch: bool = False
    """Several embeddings in one call."""
    verb: Literal["", "compact", "input_tokens"] = ""
    """Of a path below that of the operation."""


NOTHING_IN_PATH = InPath()


class Call(msgspec.Struct, frozen=True):
    """A request as it was understood; ``fields`` holds all of its body by value."""

    dialect: DialectName
    operation: Operation
    fields: dict[str, Raw]
    model: str
    stream: bool = False
    include_usage: bool = False
    """The client asked for the usage chunk, where the dialect lets it ask."""
    output_tokens_cap: int = 0
    """0 = the client names none."""
    choices: int = 1
    """Outputs to be generated and billed: choices × prompts."""
    input_bytes: int = 0
    images: int = 0
    """At most so many; exact for ordinary bodies."""
    files: int = 0
    """Documents, sound and films that are only named, by URL or id: at most so many."""
    has_media: bool = False
    """Documents, sound or films stand in the body, so that its text is not all that costs tokens."""
    has_audio: bool = False
    """Sound is sent or wanted."""
    wants_base64: bool = False
    """Embeddings."""
    in_path: InPath = NOTHING_IN_PATH
    asked: dict[str, Raw] | None = None
    """The body as the client sent it, where ``fields`` holds more, such as earlier turns."""
    alias: str = ""
    """The model as the client wrote it, where its name holds a wish about reasoning, too."""
    wish: Thinking | None = None
    """That wish; it goes before what the body says."""

    @property
    def shown_model(self) -> str:
        """The model as the client knows it."""
        return self.alias or self.model
