"""What a client's choice of tools leaves of those that the upstream runs itself.

A choice names functions by their names and hosted tools by their kind; a function that is called like a kind
is meant first.
"""

from switchgear.wire.neutral.request import HostedTool, Request


def hosted_offered(request: Request) -> tuple[HostedTool, ...]:
    """Those that the model may call, in a dialect that has only live searches. Where the upstream can't be
    told of the choice, the others must not be there: each of their calls costs."""
    choice = request.tool_choice
    hosted = tuple(tool for tool in request.tools if isinstance(tool, HostedTool) and not tool.offline)
    if choice is None or not hosted:
        return hosted
    if choice.mode == "none":
        return ()
    if choice.mode == "named":
        return tuple(tool for tool in hosted if tool.kind == choice.name) if names_hosted(request) else ()
    if choice.allowed:
        return tuple(tool for tool in hosted if tool.kind in choice.allowed)
    return hosted


def names_hosted(request: Request) -> bool:
    """Whether the one tool that is to be called is hosted."""
    choice = request.tool_choice
    if choice is None or choice.mode != "named":
        return False
    names = {tool.name for tool in request.tools if not isinstance(tool, HostedTool)}
    kinds = {tool.kind for tool in request.tools if isinstance(tool, HostedTool)}
    return choice.name not in names and choice.name in kinds
