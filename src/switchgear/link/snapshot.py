"""What a worker knows: the immutable, versioned view that the controller compiles from live configuration."""

import msgspec

from switchgear.catalog.price import Price
from switchgear.kernel.dialects import ResponsesState
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import CLIENT_GONE_READ_S, FETCH_PORTS
from switchgear.kernel.principal import Principal

__all__ = ["ChannelView", "ModelView", "Principal", "Snapshot"]


class ChannelView(msgspec.Struct, frozen=True):
    """One upstream as the relay needs it. Secrets are in the clear here: a snapshot only crosses the 0600
    socket."""

    id: str
    name: str
    vendor: str
    endpoints: dict[str, str]
    """Operation of ``kernel.dialects`` → absolute URL. In the Gemini dialect it ends in ``{model}``: the
    caller puts the upstream's name there and the verb behind it."""
    auth_header: str
    auth_prefix: str
    """``authorization`` and ``Bearer ``, for instance."""
    secrets: tuple[str, ...]
    models: dict[str, str]
    """Model as clients name it → model as the upstream names it."""
    groups: tuple[str, ...]
    priority: int = 0
    weight: int = 1
    headers: tuple[tuple[str, str], ...] = ()
    """Fixed request headers of the vendor or channel."""
    auths: dict[str, tuple[str, str]] = {}
    """Operation → (header, prefix) that carry the secret, where they differ from the two above."""
    headers_of: dict[str, tuple[tuple[str, str], ...]] = {}
    """Operation → fixed request headers beside ``headers``; none of them is named there."""
    drop: dict[str, tuple[str, ...]] = {}
    """Operation → top-level request keys that this upstream refuses."""
    rename: dict[str, dict[str, str]] = {}
    """Operation → top-level keys to rename."""
    omit: dict[str, tuple[str, ...]] = {}
    """Operation → keys that would change the price, and are left out and named."""
    refuse: dict[str, tuple[str, ...]] = {}
    """Operation → keys that would change the price, and can't be left out."""
    asks_usage: bool = True
    """Whether it understands ``stream_options.include_usage``."""
    concurrency_max: int = 0
    """Calls in flight per worker; 0 = no cap."""
    timeouts: dict[str, float] = {}
    """Overrides of ``connect_s``, ``first_byte_stream_s``, ``first_byte_json_s``, ``idle_chunk_s``,
    ``total_s``."""
    facts: dict[str, ModelFacts] = {}
    """Model as the upstream names it → what is known of it there; left out where nothing is."""
    responses_state: ResponsesState = "none"
    """What it keeps of Responses that it answers."""
    local_model: str = ""
    """Set for the embedded channel: endpoints are asked of the controller when first used."""
    client_gone_read_s: float | None = None
    """How long its answers are read on after their clients left; None: as the snapshot says."""
    doubt_usage: bool = False
    """Our own count is charged where a report is implausible beside its text."""
    only_streams: bool = False
    """The host answers only as a stream; whole replies are made of it."""
    gives_back_reasoning: bool = False
    """Chat models of which nothing is known get all earlier reasoning back, not only what they said."""


class ModelView(msgspec.Struct, frozen=True):
    """What is told of a model in lists, and what an estimate needs."""

    id: str
    owned_by: str
    created: int = 0
    output_tokens_max: int = 0
    """0 = unknown."""
    context_tokens: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """Everything but keys."""

    version: int
    groups: dict[str, int]
    """Group → ratio in parts per million."""
    channels: tuple[ChannelView, ...]
    models: dict[str, ModelView]
    prices: dict[str, Price]
    """By the model name that clients use."""
    trusted_proxies: tuple[str, ...] = ()
    keeps_responses: bool = True
    """Whether anything is kept for later calls to name."""
    client_gone_read_s: float = CLIENT_GONE_READ_S
    """How long answers are read on after their clients left, to learn what they cost."""
    fetch_ports: tuple[int, ...] = FETCH_PORTS
    """TCP ports that links in requests may name."""
    open_groups: tuple[str, ...] = ()
    """Groups whose keys may name anything of the upstream's account."""
