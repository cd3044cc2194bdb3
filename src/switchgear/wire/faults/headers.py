"""Headers of an error that are the same in every dialect: its type, and when to come back."""

from switchgear.kernel.errors import ApiError

CONTENT_TYPE = ("content-type", "application/json; charset=utf-8")
_COME_BACK = frozenset({429, 503, 529})
"""They say when, unless it is no use."""


def retry_after_s(err: ApiError) -> int | None:
    """Seconds until a next try makes sense; None where nothing is said about it."""
    seconds = err.retry_after_s
    if seconds is None and err.row.status in _COME_BACK and err.row.should_retry is not False:
        seconds = 1
    return None if seconds is None else max(1, seconds)


def error_headers(err: ApiError) -> list[tuple[str, str]]:
    """Content type, ``retry-after``, ``x-should-retry``, and what the error itself brings."""
    headers = [CONTENT_TYPE]
    seconds = retry_after_s(err)
    if seconds is not None:
        headers.append(("retry-after", str(seconds)))
    if err.row.should_retry is not None:
        headers.append(("x-should-retry", "true" if err.row.should_retry else "false"))
    headers.extend(err.headers)
    return headers
