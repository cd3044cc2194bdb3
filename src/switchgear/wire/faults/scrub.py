"""Takes secrets out of an upstream's message and leaves every other word as it is.

Clients match the wording of such messages, so only credentials and addresses of ours are rewritten.
Every pattern is bounded, so that a hostile message costs linear time.
"""

import re

_STARS = "***"
_EDITS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\bbearer\s{1,4}[A-Za-z0-9._~+/=*-]{4,}"), f"Bearer {_STARS}"),
    (re.compile(r"\b(sk|rk|pk|gsk|xai|hf|r8)([-_])[A-Za-z0-9_.*-]{4,}"), rf"\1\2{_STARS}"),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{16,}"), _STARS),
    (re.compile(r"\b(org|proj)([-_])[A-Za-z0-9]{16,}"), rf"\1\2{_STARS}"),
    (re.compile(r"(?i)(?<![a-z0-9])([a-z][a-z0-9+.-]{1,15}://)[^/\s@]{1,256}@"), rf"\1{_STARS}@"),
    # A host with a port, in a URL, dotted or numeric, and private addresses on their own. A label has to
    # begin with a letter, as places in a request are written with dots too: ``messages.0.content``.
    (re.compile(r"(?<=://)(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,253}):\d{1,5}\b"), _STARS),
    (re.compile(r"(?<=@)[A-Za-z0-9_.-]{1,253}:\d{1,5}\b"), _STARS),
    (re.compile(r"(?<![\w.-])(?:[A-Za-z][\w-]{0,62}\.){1,8}[A-Za-z]{2,24}:\d{2,5}\b"), _STARS),
    (re.compile(r"(?<![\w.-])localhost:\d{1,5}\b"), _STARS),
    (re.compile(r"\[[0-9A-Fa-f:]{2,45}\]:\d{1,5}\b"), _STARS),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}\b"), _STARS),
    (
        re.compile(
            r"(?<![\w.])(?:10|127|192\.168|172\.(?:1[6-9]|2\d|3[01])|169\.254)(?:\.\d{1,3}){2,3}(?![\w.]*\d)"
        ),
        _STARS,
    ),
)


def scrub(message: str) -> str:
    """The message without bearer tokens, API keys, ids of accounts, user info of URLs, internal addresses."""
    for pattern, stars in _EDITS:
        message = pattern.sub(stars, message)
    return message
