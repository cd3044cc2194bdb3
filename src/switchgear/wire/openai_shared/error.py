"""The error object of the two OpenAI dialects."""

from switchgear.kernel.errors import CONTEXT_TOO_LONG, UPSTREAM_REFUSED, ApiError

_UPSTREAMS_OWN = frozenset({UPSTREAM_REFUSED.name, CONTEXT_TOO_LONG.name})


def error_object(err: ApiError, request_id: str) -> dict[str, dict[str, str | None]]:
    """``{"error": …}`` with all four keys."""
    return {
        "error": {
            "message": message_of(err, request_id),
            "type": err.row.type,
            "param": err.param,
            "code": err.row.code,
        }
    }


def message_of(err: ApiError, request_id: str) -> str:
    """The request id stands in our own texts, not in an upstream's."""
    if err.row.name in _UPSTREAMS_OWN:
        return err.message
    return f"{err.message} (request id: {request_id})"
