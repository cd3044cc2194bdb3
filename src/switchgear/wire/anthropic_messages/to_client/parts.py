"""Content blocks of an answer as clients of this dialect read them."""

import msgspec

from switchgear.wire.framing.data_urls import build_data_url
from switchgear.wire.neutral.events import Hosted, ImageOut
from switchgear.wire.neutral.maker import ANTHROPIC
from switchgear.wire.neutral.request import Citation, HostedTool, Opaque, Request, Seals

Block = dict[str, object]


class Shown(msgspec.Struct, frozen=True):
    """What a client wants to see beside texts and calls."""

    reasoning: bool
    """Thinking blocks at all; without them it also sends none back."""
    reasoning_text: bool
    """The text in them."""
    bare_tokens: bool
    """Blocks that hold no text, but what the model wants back. Only for those who asked for thinking: others
    take the first block for text. What comes before a call is put back by the call's id all the same; see
    ``wire.neutral.reasoning_memory``."""
    searches: bool
    """It declared a web search, so it knows the blocks of one."""


def shown_to(request: Request) -> Shown:
    thinking = request.thinking
    return Shown(
        reasoning=thinking is None or not thinking.is_off,
        reasoning_text=thinking is None or thinking.show is not False,
        bare_tokens=thinking is not None and not thinking.is_off,
        searches=any(isinstance(tool, HostedTool) and tool.kind == "web_search" for tool in request.tools),
    )


def sealed(seals: Seals, opaque: Opaque) -> str:
    """A signature or redacted data as the client keeps it: Anthropic's own as it is, any other sealed; empty
    for one that is too long to be sealed."""
    if opaque.origin == ANTHROPIC and opaque.payload:
        return opaque.payload
    try:
        return seals.seal(opaque)
    except ValueError:
        return ""


def redacted_block(seals: Seals, opaque: Opaque) -> Block:
    return {"type": "redacted_thinking", "data": sealed(seals, opaque)}


def hosted_blocks(event: Hosted, shown: Shown) -> list[Block]:
    """A search as its use and its result; other steps have no block that a client could read."""
    if event.kind != "web_search" or not shown.searches:
        return []
    use_id = event.id if event.id.startswith("srvtoolu_") else f"srvtoolu_{event.id or 'search'}"
    results = [
        {
            "type": "web_search_result",
            "url": source.url,
            "title": source.title or source.url,
            "encrypted_content": "",
            "page_age": None,
        }
        for source in event.sources
    ]
    query = {"query": " ".join(event.queries)}
    return [
        {"type": "server_tool_use", "id": use_id, "name": "web_search", "input": query},
        {"type": "web_search_tool_result", "tool_use_id": use_id, "content": results},
    ]


def location(citation: Citation) -> Block:
    """A source of a text block."""
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": citation.cited_text,
        "encrypted_index": "",
    }


def image_text(event: ImageOut) -> str:
    """A picture in an answer, as Markdown, as assistants can't show one otherwise here."""
    return f"![image]({build_data_url(event.media_type, event.data)})"
