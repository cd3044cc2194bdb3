"""The neutral form of a request, between dialects: what is asked, free of any vendor's JSON.

One reader and one writer for each dialect meet here, so N dialects are N codecs. A reader keeps everything
that has a meaning in another dialect; a writer writes what its dialect can carry, and ``wire.loss`` decides
beforehand what happens to the rest. Data of images, audio and files is base64 text, never decoded on the way.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec
from msgspec import Raw

from switchgear.kernel.dialects import DialectName
from switchgear.kernel.facts import ModelFacts

CacheTtl = Literal["", "5m", "1h"]
"""A prompt-cache marker after a part; empty = none."""
HostedKind = Literal[
    "web_search",
    "web_fetch",
    "code_execution",
    "file_search",
    "image_generation",
    "computer",
    "mcp",
    "other",
]


class Opaque(msgspec.Struct, frozen=True, array_like=True):
    """A token of reasoning that only its maker can read: it goes back to the maker, or nowhere."""

    origin: str
    """Whose it is; see ``wire.neutral.maker``."""
    kind: Literal["signature", "encrypted", "redacted", "text_signature"]
    """``signature`` vouches for a visible text, ``encrypted`` is the reasoning itself, ``redacted`` is
    reasoning that nobody may see; ``text_signature`` only in envelopes, see ``wire.text_signatures``."""
    payload: str
    """As the maker spelt it."""


class Citation(msgspec.Struct, frozen=True):
    """A source of a span of text; offsets count code points of the part's text, -1 = unknown."""

    url: str
    title: str = ""
    start: int = -1
    end: int = -1
    cited_text: str = ""


class Text(msgspec.Struct, frozen=True):
    text: str
    cache: CacheTtl = ""
    citations: tuple[Citation, ...] = ()
    opaque: Opaque | None = None
    """Gemini signs texts, too."""


class Refusal(msgspec.Struct, frozen=True):
    text: str


class Image(msgspec.Struct, frozen=True):
    """By ``data`` with its media type, by ``url``, or by ``file_id`` of an upstream account."""

    data: str = ""
    media_type: str = ""
    url: str = ""
    file_id: str = ""
    detail: str = ""
    """``low``, ``high``, ``original``; empty = auto."""
    cache: CacheTtl = ""


class Audio(msgspec.Struct, frozen=True):
    data: str = ""
    media_type: str = ""
    """``audio/wav``, ``audio/mp3`` …"""
    url: str = ""
    answer_id: str = ""
    """Of an earlier spoken answer, known to its upstream only."""
    transcript: str = ""


class File(msgspec.Struct, frozen=True):
    """A document by ``data`` or plain ``text``, by ``url``, or by ``file_id`` of an upstream account."""

    data: str = ""
    media_type: str = ""
    url: str = ""
    file_id: str = ""
    text: str = ""
    filename: str = ""
    context: str = ""
    citable: bool = False
    """The answer may cite it."""
    cache: CacheTtl = ""


class Video(msgspec.Struct, frozen=True):
    data: str = ""
    media_type: str = ""
    url: str = ""


class Reasoning(msgspec.Struct, frozen=True):
    """Thinking of an earlier answer. ``text`` may be empty: only the opaque token matters then."""

    text: str = ""
    opaque: Opaque | None = None
    is_own: bool = False
    """The very upstream to which it goes said it, and so reads it."""


class ToolCall(msgspec.Struct, frozen=True):
    id: str
    name: str
    arguments: str
    """JSON text of a function's arguments as the model wrote it, valid or not; a custom tool's input."""
    kind: Literal["function", "custom"] = "function"
    opaque: Opaque | None = None
    namespace: str = ""
    cache: CacheTtl = ""


class ToolResult(msgspec.Struct, frozen=True):
    """In a user turn, before its other parts."""

    call_id: str
    parts: tuple["Text | Image | File | Audio", ...]
    name: str = ""
    """Of the called function; filled in by ``wire.neutral.history`` where a dialect leaves it out."""
    is_error: bool = False
    kind: Literal["function", "custom"] = "function"
    cache: CacheTtl = ""


class HostedItem(msgspec.Struct, frozen=True):
    """The trace of a tool that ran at the upstream, as its dialect spells it. Other dialects leave it out."""

    dialect: DialectName
    kind: HostedKind
    raw: Raw


Part = Text | Refusal | Image | Audio | File | Video | Reasoning | ToolCall | ToolResult | HostedItem


class Turn(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    parts: tuple[Part, ...]
    name: str = ""


class FunctionTool(msgspec.Struct, frozen=True):
    name: str
    description: str = ""
    schema: Raw | None = None
    """JSON Schema of the arguments; None = none are declared."""
    strict: bool | None = None
    cache: CacheTtl = ""
    namespace: str = ""
    """The client has the tool in this namespace; ``name`` is made of both, so that it is one of a kind."""


class CustomTool(msgspec.Struct, frozen=True):
    """A tool that takes free text. Where there is none, it is a function with one string ``input``."""

    name: str
    description: str = ""
    format: Raw | None = None
    namespace: str = ""


class HostedTool(msgspec.Struct, frozen=True):
    """A tool that the upstream runs itself."""

    kind: HostedKind
    dialect: DialectName
    raw: Raw
    """The declaration as the client spelt it."""
    type: str = ""
    """The client's name of it, for messages: ``web_search_20250305``."""
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    uses_max: int | None = None
    context_size: str = ""
    location: Raw | None = None
    """``{"city", "country", "region", "timezone"}``."""
    is_plain: bool = True
    """Nothing but the above: no files, containers or stores of one account."""
    offline: bool = False
    """A search of what its maker has kept of pages; elsewhere it would be a live one, with its price."""


Tool = FunctionTool | CustomTool | HostedTool


class ToolChoice(msgspec.Struct, frozen=True):
    mode: Literal["auto", "none", "required", "named"]
    name: str = ""
    """Of mode ``named``; of a hosted tool its kind."""
    allowed: tuple[str, ...] = ()
    """Only these of the declared tools, by the same names; empty = all."""


class Format(msgspec.Struct, frozen=True):
    """How the answer is to be formed; absent = text."""

    kind: Literal["json_object", "json_schema"]
    schema: Raw | None = None
    name: str = ""
    strict: bool | None = None
    description: str = ""


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Thinking(msgspec.Struct, frozen=True):
    """How much the model is to reason, in the one form that all switches are mapped to; see
    ``wire.neutral.effort``."""

    effort: Effort | None = None
    budget_tokens: int | None = None
    """-1 = as the model likes."""
    show: bool | None = None
    """Whether the client wants to see it; None = the dialect's default."""
    summary: str = ""
    """``auto``, ``concise``, ``detailed``."""

    @property
    def is_off(self) -> bool:
        return self.effort == "none" or self.budget_tokens == 0


class Request(msgspec.Struct, frozen=True):
    """Everything that a request of any dialect says; None or empty = not said."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    thinking: Thinking | None = None
    output_tokens_max: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Raw | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    format: Format | None = None
    verbosity: str = ""
    user: str = ""
    prompt_cache_key: str = ""
    service_tier: str = ""
    store: bool | None = None
    metadata: Raw | None = None
    modalities: tuple[str, ...] = ()
    """``text``, ``audio``, ``image``; empty = text."""
    audio: Raw | None = None
    """Voice and format of a spoken answer, as chat spells it."""
    prediction: Raw | None = None
    safety: Raw | None = None
    stream: bool = False
    extras: dict[str, Raw] = {}
    """Fields of the client's dialect that have no place above, by the client's name."""


class RemoteFile(msgspec.Struct, frozen=True):
    """A file behind a URL, fetched because the upstream takes none by URL."""

    media_type: str
    data: str


class Upstream(msgspec.Struct, frozen=True):
    """Where a request is going, as far as a writer has to know."""

    model: str
    """As the upstream names it."""
    vendor: str = "compatible"
    origin: str = ""
    """Whose opaque tokens it takes back; see ``wire.neutral.maker``."""
    facts: ModelFacts = ModelFacts()
    asks_usage: bool = True
    """It understands ``stream_options.include_usage``."""
    files: Mapping[str, RemoteFile] = {}
    """By URL, those of ``Dialect.remote_files``."""
    gives_back_reasoning: bool = False
    """A model of which nothing is known gets all earlier reasoning back, not only what it said."""


class Written(msgspec.Struct, frozen=True):
    """A request in an upstream's dialect. ``dropped``: concepts (``wire.loss``) that were left out on the
    way."""

    body: dict[str, Raw]
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Such as beta flags that the body needs."""
    names: Mapping[str, str] = {}
    """Names of tools as they were sent → as the client knows them, where the two differ."""
    unwrap_tool: str = ""
    """A tool whose call is the answer itself: its arguments are the answer's text; see ``wire.unwrap``."""
    stops: tuple[str, ...] = ()
    """Stop sequences that this upstream would refuse, so that the answer is to be cut at them; see
    ``wire.convert.stop_cut``."""


class Seals(Protocol):
    """Turns opaque tokens of one maker into text that may pass through a client, and back."""

    def seal(self, opaque: Opaque) -> str:
        """Text of ``[A-Za-z0-9_.-]`` only."""

    def open(self, text: str) -> Opaque | None:
        """None for whatever was not sealed here, or was changed."""
