"""What a failed try means for the health of its channel. Without this, a lack of this machine's own, or one
client's request, would take a channel out for everybody."""

import pytest
from tests.relay.test_plan import OPERATION, channel

from switchgear.kernel.clock import SystemClock
from switchgear.net.transport import FaultKind, Timeouts, TransportFault, UpstreamRequest, UpstreamResponse
from switchgear.relay.attempt import Fault, PassedOn, book, open_exchange
from switchgear.relay.health import Fitness, Health
from switchgear.relay.locate import Locator
from switchgear.relay.plan import Candidate
from switchgear.relay.prepare import Prepared
from switchgear.wire.call import NOTHING_IN_PATH, Call
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.faults.upstream_error import upstream_error_of
from switchgear.wire.framing.splice import read_object

CANDIDATE = Candidate(channel("c"), 0, "upstream-m", (OPERATION,))
BODY = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'


class Broken:
    """A transport whose exchanges all fail so."""

    def __init__(self, kind: FaultKind) -> None:
        self._kind = kind

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        raise TransportFault(self._kind, "not_sent")

    async def close(self) -> None: ...


async def no_controller(*_: object) -> object:
    raise AssertionError("no embedded model is asked for")


def call() -> Call:
    return DIALECT_OF_OPERATION[OPERATION].read_call(OPERATION, read_object(BODY), "m", NOTHING_IN_PATH)


@pytest.mark.parametrize(("kind", "is_fault"), [("no_room", False), ("connect", True), ("reset", True)])
async def test_our_own_lack_is_no_fault_of_the_upstreams(kind: FaultKind, is_fault: bool) -> None:
    health = Health()
    with pytest.raises(Fault) as failed:
        await open_exchange(
            Broken(kind),
            Locator(no_controller),  # type: ignore[arg-type]  # never called
            CANDIDATE,
            Prepared(OPERATION, BODY),
            call(),
            PassedOn(()),
            health,
            SystemClock(),
        )
    assert health.troubled() == is_fault
    assert failed.value.try_next
    assert (failed.value.error.row.blame == "us") == (not is_fault)


@pytest.mark.parametrize(
    ("status", "error", "fitness"),
    [
        (400, {"message": "Your credit balance is too low to access the Anthropic API."}, "dead"),
        (401, {"message": "m", "code": "invalid_api_key"}, "dead"),
        (402, {"message": "This request requires more credits, or fewer max_tokens."}, "fit"),
        (429, {"message": "m"}, "cooling"),
        (413, {"message": "Request too large", "code": "rate_limit_exceeded"}, "fit"),
        (400, {"message": "User location is not supported for the API use."}, "out"),
        (404, {"message": "m", "code": "model_not_found"}, "out"),
        (404, {"message": "No such file: file-1"}, "fit"),
        (400, {"message": "m", "type": "invalid_request_error"}, "fit"),
        (403, {"message": "Content violates usage guidelines."}, "fit"),
    ],
)
def test_what_an_error_does_to_the_candidate(status: int, error: dict[str, str], fitness: Fitness) -> None:
    health = Health()
    book(upstream_error_of(status, {"error": error}), CANDIDATE, health, 1, 2)
    assert health.fitness("c", 0, "upstream-m", 3) == fitness
    assert health.fitness("c", 1, "upstream-m", 3) == "fit", "another key is another account"
