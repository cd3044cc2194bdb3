"""Things in a shared account. Without this a customer who learns an id uses what is another one's."""

import msgspec
import pytest

from switchgear.kernel.clock import FakeClock
from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import ACCOUNT_IDS_MAX
from switchgear.kernel.principal import Principal
from switchgear.kernel.stored import StoredResponse
from switchgear.link.protocol import FindResponse, KeepResponse, Ok, ResponseFound, ResponseUnknown
from switchgear.link.snapshot import ChannelView, Snapshot
from switchgear.relay.metrics import Meters
from switchgear.relay.owned import Owned
from switchgear.relay.plan import Candidate
from switchgear.relay.responses import Responses
from switchgear.wire.neutral.account_ids import AccountId

CLOSED = Snapshot(1, {}, (), {}, {})
OPEN = msgspec.structs.replace(CLOSED, open_groups=("staff",))


def principal(user: str, group: str = "default") -> Principal:
    return Principal(f"k-{user}", "ci", "sk-…", user, user, group, f"wallet:{user}")


def candidate(
    channel: str, secret: int, state: str = "kept", operation: str = "openai_responses"
) -> Candidate:
    view = ChannelView(
        channel, channel, "openai", {}, "authorization", "Bearer ", ("key one", "key two"), {}, (),
        responses_state=state,
    )  # fmt: skip
    return Candidate(view, secret, "m", (operation,))


CANDIDATES = tuple(candidate(channel, secret) for channel in ("a", "b") for secret in (0, 1))


class Store:
    """The controller's side."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], StoredResponse] = {}
        self.away = False

    async def ask(self, body: object, timeout_s: float) -> object:
        if self.away:
            raise ConnectionError
        if isinstance(body, KeepResponse):
            self.rows[body.response.id, body.response.owner] = body.response
            return Ok()
        assert isinstance(body, FindResponse)
        row = self.rows.get((body.id, body.owner))
        return ResponseUnknown(body.id) if row is None else ResponseFound(row)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def owned(store: Store) -> Owned:
    return Owned(Responses(store.ask, lambda: b"p" * 32, Meters(), FakeClock(), "e1"))


def naming(*ids: str) -> tuple[AccountId, ...]:
    return tuple(AccountId(id, "input") for id in ids)


async def refusal(owned: Owned, who: Principal, *ids: str, snapshot: Snapshot = CLOSED) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await owned.check(naming(*ids), who, snapshot, CANDIDATES)
    return raised.value


async def test_a_call_that_names_nothing_asks_nobody(store: Store, owned: Owned) -> None:
    store.away = True
    assert await owned.check((), principal("u1"), CLOSED, CANDIDATES) == CANDIDATES


async def test_what_was_made_goes_back_to_the_key_that_made_it(owned: Owned) -> None:
    await owned.note(principal("u1"), "m", CANDIDATES[3], ("cntr_1", "msg_1"))
    assert await owned.check(naming("cntr_1", "msg_1"), principal("u1"), CLOSED, CANDIDATES) == CANDIDATES[3:]


async def test_nobody_else_can_name_it_and_it_looks_as_if_it_never_was(owned: Owned) -> None:
    await owned.note(principal("u1"), "m", CANDIDATES[0], ("cntr_1",))
    theirs = await refusal(owned, principal("u2"), "cntr_1")
    none = await refusal(owned, principal("u2"), "cntr_2")
    assert theirs.row.name == none.row.name == "object_unknown"
    assert theirs.message.replace("cntr_1", "cntr_2") == none.message
    assert theirs.param == "input"
    assert "'default'" in theirs.message


async def test_an_open_group_may_name_anything_and_still_reaches_what_was_made(owned: Owned) -> None:
    staff = principal("u1", "staff")
    await owned.note(staff, "m", CANDIDATES[2], ("cntr_1",))
    assert await owned.check(naming("vs_1"), staff, OPEN, CANDIDATES) == CANDIDATES
    assert await owned.check(naming("vs_1", "cntr_1"), staff, OPEN, CANDIDATES) == CANDIDATES[2:3]
    assert (await refusal(owned, principal("u2"), "vs_1", snapshot=OPEN)).row.name == "object_unknown"


async def test_things_of_two_upstreams_fit_into_no_call(owned: Owned) -> None:
    await owned.note(principal("u1"), "m", CANDIDATES[0], ("cntr_1",))
    await owned.note(principal("u1"), "m", CANDIDATES[1], ("cntr_2",))
    assert (await refusal(owned, principal("u1"), "cntr_1", "cntr_2")).row.name == "channels_cooling"


async def test_while_nobody_can_say_whose_it_is_nothing_goes_out(store: Store, owned: Owned) -> None:
    store.away = True
    assert (await refusal(owned, principal("u1"), "cntr_1")).row.name == "store_away"
    await owned.note(principal("u1"), "m", CANDIDATES[0], ("cntr_1",))  # the answer goes out all the same


async def test_the_number_of_looks_is_bounded(owned: Owned) -> None:
    many = tuple(f"cntr_{at}" for at in range(ACCOUNT_IDS_MAX + 1))
    await owned.note(principal("u1"), "m", CANDIDATES[0], many)
    assert await owned.check(naming(*many[:-1] * 3), principal("u1"), CLOSED, CANDIDATES)
    assert (await refusal(owned, principal("u1"), *many)).row.name == "object_unknown"


async def test_items_of_an_upstream_without_a_state_are_not_noted(store: Store, owned: Owned) -> None:
    await owned.note(principal("u1"), "m", candidate("a", 0, "none"), ("msg_1",))
    assert store.rows == {}
    await owned.note(principal("u1"), "m", candidate("a", 0, "none", "anthropic_messages"), ("container_1",))
    assert len(store.rows) == 1
