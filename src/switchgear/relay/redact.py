"""Takes a channel's own secrets out of what its upstream says, by value: they may look like anything.

``wire.scrub`` knows credentials by their form; this knows the ones that were sent.
"""

from switchgear.kernel.limits import SECRET_CHARS_MIN
from switchgear.link.snapshot import ChannelView
from switchgear.wire.faults import UpstreamError

_STARS = "***"


def redact(text: str, secrets: tuple[str, ...], headers: tuple[tuple[str, str], ...]) -> str:
    """The text with stars for each key, each header's value, and each credential behind a scheme in one."""
    for secret in secrets:
        if secret in text:
            text = _without(text, secret)
    for _, value in headers:
        if value in text:
            text = _without(text, value)
        if (credential := value.rpartition(" ")[2]) in text:
            text = _without(text, credential)
    return text


def redact_error(error: UpstreamError, channel: ChannelView) -> UpstreamError:
    """The same error, in words that may be shown. Before any other edit, which might hide half a secret."""

    def clean(text: str) -> str:
        return redact(text, channel.secrets, channel.headers)

    return UpstreamError(
        error.kind,
        error.status,
        clean(error.message),
        clean(error.type),
        clean(error.code) if error.code else error.code,
        clean(error.param) if error.param else error.param,
        error.retry_after_s,
        of_request=error.of_request,
    )


def _without(text: str, secret: str) -> str:
    return text.replace(secret, _STARS) if len(secret) >= SECRET_CHARS_MIN else text
