"""Words by which an upstream says that its answer failed, in the field that says why an answer ended.

An answer that ends with one of them is no whole answer, whatever was said before: a call that could not be
read, say, would leave an agent to take half of its work for done.
"""

from switchgear.wire.faults.upstream_error import UpstreamError

GOOGLE_ABORTS = frozenset(
    {
        "OTHER",
        "LANGUAGE",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    }
)
"""Google's, in its own dialect and in those that it speaks beside."""
_VENDORS = frozenset({"error", "network_error", "abort", "aborted", "insufficient_system_resource"})
_FILTERED = "content_filter"


def failure_of(word: str) -> UpstreamError:
    """The fault that such a word names."""
    return UpstreamError("transient", 200, type="server_error", code=word)


def is_failed(word: str) -> bool:
    """Whether a word of another dialect than Google's says so. Google writes its own behind a colon there,
    and some relays in lower case; the short ones mean something else then."""
    before, _, own = word.rpartition(":")
    if before.strip().lower() == _FILTERED:
        return False
    own = own.strip()
    upper = own.upper()
    return own in _VENDORS or own in GOOGLE_ABORTS or ("_" in upper and upper in GOOGLE_ABORTS)
