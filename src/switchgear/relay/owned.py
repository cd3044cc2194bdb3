"""Things in a shared account of an upstream belong to the user for whom they were made.

What an answer makes there (items, containers, files, sounds) is noted beside the stored responses, with
channel and key; a later call that names it goes there and nowhere else. What was not made through the relay
for this user is refused, unless the operator allows the group to name anything.
"""

import asyncio

from switchgear.kernel.errors import CHANNELS_COOLING, OBJECT_UNKNOWN, ApiError
from switchgear.kernel.limits import ACCOUNT_IDS_MAX, RESPONSE_ID_CHARS_MAX, RESPONSE_KEEP_TIMEOUT_S
from switchgear.kernel.stored import StoredResponse
from switchgear.link.protocol import KeepResponse, ResponseFound
from switchgear.link.snapshot import Principal, Snapshot
from switchgear.relay.place import OPERATION, secret_digest
from switchgear.relay.plan import Candidate
from switchgear.relay.responses import Responses
from switchgear.wire.neutral.account_ids import AccountId


class Owned:
    """Of one worker."""

    def __init__(self, responses: Responses) -> None:
        self._responses = responses

    async def note(self, who: Principal, model: str, candidate: Candidate, ids: tuple[str, ...]) -> None:
        """These were made for this user, by this upstream key. What can't be noted is refused later."""
        channel = candidate.channel
        if candidate.operations[0] == OPERATION and channel.responses_state == "none":
            return  # an upstream without any state
        digest = secret_digest(channel, candidate.secret, self._responses.pepper())
        now_ms = self._responses.clock.now_ms()
        rows = [
            StoredResponse(
                id, who.user_id, who.key_id, model, now_ms, channel=channel.id, secret_digest=digest
            )
            for id in ids
            if len(id) <= RESPONSE_ID_CHARS_MAX
        ]
        asked = (self._responses.ask(KeepResponse(row), RESPONSE_KEEP_TIMEOUT_S) for row in rows)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, ConnectionError):
                raise answer

    async def check(
        self,
        named: tuple[AccountId, ...],
        who: Principal,
        snapshot: Snapshot,
        candidates: tuple[Candidate, ...],
    ) -> tuple[Candidate, ...]:
        """The candidates that know what a call names. Raises ApiError."""
        is_open = who.group in snapshot.open_groups
        distinct = {each.id: each for each in named}
        if len(distinct) > ACCOUNT_IDS_MAX and not is_open:
            raise _unknown(list(distinct.values())[ACCOUNT_IDS_MAX], who)
        for each in list(distinct.values())[:ACCOUNT_IDS_MAX]:
            found = await self._responses.find(each.id, who.user_id)
            if isinstance(found, ResponseFound) and found.response.channel:
                candidates = self._where(found.response, each, candidates)
            elif not is_open:
                raise _unknown(each, who)
        return candidates

    def _where(
        self, made: StoredResponse, named: AccountId, candidates: tuple[Candidate, ...]
    ) -> tuple[Candidate, ...]:
        pepper = self._responses.pepper()
        chosen = tuple(
            candidate
            for candidate in candidates
            if candidate.channel.id == made.channel
            and secret_digest(candidate.channel, candidate.secret, pepper) == made.secret_digest
        )
        if not chosen:
            raise ApiError(
                CHANNELS_COOLING,
                f"The upstream that has '{named.id}' is not available for this model right now. "
                "Please try again.",
                param=named.param,
                retry_after_s=5,
            )
        return chosen


def _unknown(named: AccountId, who: Principal) -> ApiError:
    return ApiError(
        OBJECT_UNKNOWN,
        f"'{named.id[:RESPONSE_ID_CHARS_MAX]}' in '{named.param}' was not made for this account through this "
        f"relay, so it can't be used. The operator can allow such ids for the group '{who.group}'.",
        param=named.param,
    )
