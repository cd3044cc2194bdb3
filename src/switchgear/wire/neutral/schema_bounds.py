"""How large the schemas of a request may be, which are read again and again in another dialect."""

from collections.abc import Mapping

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.kernel.limits import SCHEMA_BYTES_MAX
from switchgear.wire.neutral.request import FunctionTool, Request


def check_schemas(request: Request, fields: Mapping[str, str]) -> None:
    """Raises ApiError for a schema over SCHEMA_BYTES_MAX; ``fields``: concept → the client's name of it."""
    for tool in request.tools:
        if isinstance(tool, FunctionTool) and tool.schema is not None:
            _check_size(tool.schema, fields.get("tools", "tools"), f"the schema of '{tool.name[:64]}'")
    if request.format is not None and request.format.schema is not None:
        _check_size(request.format.schema, fields.get("json_schema", "json_schema"), "the schema")


def _check_size(schema: bytes, field: str, whose: str) -> None:
    size = len(memoryview(schema))
    if size > SCHEMA_BYTES_MAX:
        why = f"{whose} has {size} bytes, at most {SCHEMA_BYTES_MAX} are allowed"
        raise ApiError(INVALID_VALUE, f"Invalid value for '{field}': {why}.", param=field)
