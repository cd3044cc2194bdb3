"""What a client's request says of how its answer is to be shown."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.request import CustomTool, FunctionTool, Tool
from switchgear.wire.openai_responses.from_client.request import ENCRYPTED
from switchgear.wire.openai_responses.from_client.tools import own_name

_decode_names = msgspec.json.Decoder(list[Any]).decode


def shows_tokens(fields: Mapping[str, Raw]) -> bool:
    """Whether the client gets tokens of reasoning: it asked for them, or has nothing else to go on with, as
    nothing is stored."""
    if fields.get("store") == Raw(b"false"):
        return True
    include = fields.get("include", NULL)
    try:
        return include != NULL and ENCRYPTED in _decode_names(include)
    except (ValueError, RecursionError):
        return False


def client_names(tools: tuple[Tool, ...]) -> dict[str, tuple[str, str, bool]]:
    """Name of a tool → (namespace, name there, whether it takes free text), where that says more than the
    name."""
    return {
        tool.name: (tool.namespace, own_name(tool.name, tool.namespace), isinstance(tool, CustomTool))
        for tool in tools
        if isinstance(tool, CustomTool) or (isinstance(tool, FunctionTool) and tool.namespace)
    }
