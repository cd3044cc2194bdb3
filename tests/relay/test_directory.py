"""Without this, a revoked key could live on, a wrong key be asked about for ever, or a good one be
refused."""

import pytest

from switchgear.kernel.clock import FakeClock
from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import STALE_MAX_S, UNKNOWN_KEY_TTL_S
from switchgear.kernel.secret import key_digest
from switchgear.link.snapshot import Principal
from switchgear.relay.directory import Directory, KnownKey, check_key

PEPPER = b"p" * 32
KEY = "sk-" + "a" * 48


def principal(**changes: object) -> Principal:
    facts = {"key_id": "k", "key_name": "ci", "key_masked": "sk-…aaaa", "user_id": "u", "user_name": "acme"}
    return Principal(**(facts | {"group": "default", "wallet": "wallet:u"} | changes))  # type: ignore[arg-type]


class Controller:
    def __init__(self) -> None:
        self.keys = {key_digest(KEY, PEPPER): principal()}
        self.asked = 0
        self.away = False

    async def look_up(self, digest: bytes) -> Principal | None:
        self.asked += 1
        if self.away:
            raise ConnectionError
        return self.keys.get(digest)


@pytest.fixture
def controller() -> Controller:
    return Controller()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def directory(controller: Controller, clock: FakeClock) -> Directory:
    made = Directory(controller.look_up, clock)
    made.pepper = PEPPER
    return made


async def refusal(directory: Directory, key: str) -> str:
    with pytest.raises(ApiError) as refused:
        await directory.find(key)
    return refused.value.row.name


async def test_a_key_is_asked_for_once_until_something_changes(
    directory: Directory, controller: Controller
) -> None:
    assert directory.cached(KEY) is None
    await directory.find(KEY)
    assert directory.cached(KEY) is not None
    controller.keys[key_digest(KEY, PEPPER)] = principal(status="key_disabled")
    directory.renew()
    assert directory.cached(KEY) is None
    assert (await directory.find(KEY)).principal.status == "key_disabled"
    assert controller.asked == 2


async def test_a_deleted_key_is_unknown_after_the_next_change(
    directory: Directory, controller: Controller
) -> None:
    await directory.find(KEY)
    controller.keys.clear()
    directory.renew()
    assert await refusal(directory, KEY) == "bad_key"
    controller.away = True
    directory.renew()
    assert await refusal(directory, KEY) == "store_away", (
        "its old entry must not come back while nobody can be asked"
    )


async def test_a_wrong_key_is_remembered_for_a_while_only(
    directory: Directory, controller: Controller, clock: FakeClock
) -> None:
    for _ in range(3):
        assert await refusal(directory, "sk-wrong") == "bad_key"
    assert controller.asked == 1
    clock.advance_ms(int(UNKNOWN_KEY_TTL_S * 1000) + 1)
    await refusal(directory, "sk-wrong")
    assert controller.asked == 2


async def test_a_known_key_outlives_its_controller_by_the_stated_grace(
    directory: Directory, controller: Controller, clock: FakeClock
) -> None:
    await directory.find(KEY)
    controller.away = True
    directory.renew()
    assert (await directory.find(KEY)).principal.key_id == "k"
    clock.advance_ms(int(STALE_MAX_S * 1000) + 1)
    assert await refusal(directory, KEY) == "store_away"


async def test_an_unknown_key_is_not_called_wrong_while_nobody_can_be_asked(
    directory: Directory, controller: Controller
) -> None:
    controller.away = True
    assert await refusal(directory, "sk-maybe") == "store_away"


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({"status": "key_disabled"}, "key_disabled"),
        ({"status": "user_disabled"}, "user_disabled"),
        ({"expires_at_ms": 1_000}, "key_expired"),
        ({"expires_at_ms": 1_001}, ""),
        ({}, ""),
    ],
)
def test_a_key_must_be_active_and_in_date(changes: dict[str, object], row: str) -> None:
    known = KnownKey(principal(**changes), 0, 0)
    if not row:
        check_key(known, 1_000)
        return
    with pytest.raises(ApiError) as refused:
        check_key(known, 1_000)
    assert refused.value.row.name == row
