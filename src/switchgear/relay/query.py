"""What a client asks behind the question mark of its URL."""

from urllib.parse import parse_qsl

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.kernel.limits import QUERY_FIELDS_MAX


def query_fields(query: str) -> list[tuple[str, str]]:
    """Names and values, decoded, in their order. Raises ApiError for more than QUERY_FIELDS_MAX."""
    try:
        return parse_qsl(query, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        message = f"The query has too many parameters; at most {QUERY_FIELDS_MAX} are allowed."
        raise ApiError(INVALID_VALUE, message) from None
