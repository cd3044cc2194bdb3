"""Responses that an upstream keeps: where they are, and asking there about one of them. Never billed."""

from urllib.parse import unquote

from switchgear import __version__
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import RESPONSE_UNKNOWN, ApiError
from switchgear.kernel.limits import ERROR_BODY_BYTES_MAX, REPLY_BYTES_MAX
from switchgear.net.transport import Transport, TransportFault, UpstreamRequest, UpstreamResponse
from switchgear.relay.attempt import Locator, timeouts_of, transport_fault
from switchgear.relay.place import OPERATION, Place
from switchgear.relay.plan import Candidate
from switchgear.relay.redact import redact_error, redactor_of, without_secrets
from switchgear.relay.room import Holding, Room
from switchgear.wire.faults.upstream_error import read_upstream_error, to_api_error


class UpstreamStore:
    """Asks about responses where they lie."""

    def __init__(self, transport: Transport, locator: Locator, clock: Clock, replies: Room) -> None:
        self._transport = transport
        self._replies = replies
        self._locator = locator
        self._clock = clock

    async def open(self, place: Place, method: str, tail: str, *, stream: bool) -> UpstreamResponse:
        """Asks for what lies below the collection of responses; ``tail``: from the slash on, with the query.
        Raises ApiError, also for an upstream's own error."""
        channel = place.channel
        address = await self._locator.locate(Candidate(channel, place.secret, "", ()), OPERATION)
        fixed = {**dict(channel.headers), **dict(channel.headers_of.get(OPERATION, ()))}
        headers = (
            ("accept", "text/event-stream" if stream else "application/json"),
            ("accept-encoding", "identity"),
            ("user-agent", f"switchgear/{__version__}"),
            *fixed.items(),
            *address.auth,
        )
        try:
            response = await self._transport.open(
                UpstreamRequest(method, address.url + tail, headers), timeouts_of(channel, stream=stream)
            )
            if response.status < 300:
                return response
            try:
                body = await response.read(ERROR_BODY_BYTES_MAX)
            finally:
                response.close()
        except TransportFault as fault:
            raise transport_fault(fault).error from None
        if response.status == 404:
            raise unknown(unquote(tail.partition("?")[0].split("/")[1]))
        now_s = self._clock.now_ms() // 1000
        error = read_upstream_error(response.status, response.headers, body, now_s)
        raise to_api_error(redact_error(error, channel))

    async def ask(self, place: Place, method: str, tail: str) -> bytes:
        """The body of the answer, without the channel's secrets. Raises ApiError."""
        response = await self.open(place, method, tail, stream=False)
        holding = Holding(self._replies, place.channel.id)
        try:
            body = await response.read(REPLY_BYTES_MAX, holding.grow)
        except TransportFault as fault:
            raise transport_fault(fault).error from None
        finally:
            response.close()
            holding.close()
        return await without_secrets(body, redactor_of(place.channel, place.secret))


def unknown(id: str) -> ApiError:
    """The answer for a response that is not there for this caller."""
    return ApiError(RESPONSE_UNKNOWN, f"Response with id '{id}' not found.", param="response_id")
