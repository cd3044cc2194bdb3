"""Where a candidate is reached; the embedded model's address is asked of the controller, which starts it."""

from collections.abc import Awaitable, Callable

from switchgear.kernel.errors import UPSTREAM_CONNECTION, ApiError
from switchgear.kernel.limits import LOCAL_START_TIMEOUT_S
from switchgear.link.protocol import Failed, LocalAddress, LocalEndpoint, WorkerCall
from switchgear.relay.attempt import Address
from switchgear.relay.plan import Candidate

Ask = Callable[[WorkerCall, float], Awaitable[object]]


class Locator:
    """Addresses of candidates, with the embedded model's remembered until it fails."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._local: dict[str, LocalAddress] = {}
        self._failed: dict[str, str] = {}

    async def locate(self, candidate: Candidate, operation: str) -> Address:
        """Raises ApiError when the embedded model can't be started."""
        channel = candidate.channel
        if channel.local_model:
            local = await self._local_address(channel.local_model)
            return Address(
                local.base_url + channel.endpoints[operation], (("authorization", f"Bearer {local.secret}"),)
            )
        url = channel.endpoints[operation]
        if candidate.secret < 0:
            return Address(url)
        secret = channel.secrets[candidate.secret]
        header, prefix = channel.auths.get(operation) or (channel.auth_header, channel.auth_prefix)
        return Address(url, ((header, prefix + secret),))

    def forget(self, candidate: Candidate) -> None:
        """The embedded model did not answer at its address: ask again next time."""
        model = candidate.channel.local_model
        if model and (known := self._local.pop(model, None)) is not None:
            self._failed[model] = known.base_url

    async def _local_address(self, model: str) -> LocalAddress:
        known = self._local.get(model)
        if known is not None:
            return known
        try:
            answer = await self._ask(LocalEndpoint(model, self._failed.get(model, "")), LOCAL_START_TIMEOUT_S)
        except ConnectionError:
            raise ApiError(UPSTREAM_CONNECTION, "The embedded model can't be started right now.") from None
        if not isinstance(answer, LocalAddress):
            reason = answer.reason if isinstance(answer, Failed) else "no answer"
            raise ApiError(UPSTREAM_CONNECTION, f"The embedded model could not be started: {reason}")
        self._local[model] = answer
        self._failed.pop(model, None)
        return answer
