"""Stored responses. Without this: another tenant's answer is found, a dead worker's call looks alive for
ever, a bill is lost or claimed twice, or what should be gone in time stays."""

import msgspec
import pytest

from switchgear.kernel.limits import RESPONSE_ROW_BYTES, RESPONSE_SWEEP_ROWS, RESPONSE_TURNS_MAX
from switchgear.kernel.stored import StoredResponse
from switchgear.store.db import Database
from switchgear.store.epochs import mark_buried, open_epoch
from switchgear.store.responses import (
    HistoryTooLong,
    change_response,
    claim_due,
    drop_response,
    find_response,
    find_turns,
    keep_responses,
    sweep_responses,
    trim_largest,
    trim_responses,
)

NOW_MS = 1_764_000_000_000
DAY_MS = 86_400_000
MIB = 1 << 20


def response(id: str = "resp_1", **fields) -> StoredResponse:
    values = {"owner": "u1", "key_id": "k1", "model": "m", "created_at_ms": NOW_MS, "response": b"{}"}
    return StoredResponse(id=id, **(values | fields))


def keep(database: Database, *kept: StoredResponse, expires_at_ms: int = NOW_MS + DAY_MS) -> None:
    database.write(lambda c: keep_responses(c, kept, expires_at_ms))


def find(database: Database, id: str = "resp_1", owner: str = "u1", at_ms: int = NOW_MS):
    return database.read(lambda c: find_response(c, id, owner, at_ms))


def turns(database: Database, id: str, owner: str = "u1", bytes_max: int = MIB):
    return database.read(lambda c: find_turns(c, id, owner, NOW_MS, bytes_max))


def test_a_response_comes_back_as_it_was_kept(database: Database) -> None:
    kept = response(
        status="incomplete",
        previous_id="resp_0",
        channel="c1",
        secret_digest=b"d",
        input_items=b"[1]",
        output_items=b"[2]",
    )
    keep(database, kept)
    assert find(database) == kept


def test_nobody_finds_the_response_of_another_owner(database: Database) -> None:
    keep(database, response())
    assert find(database, owner="u2") is None
    assert turns(database, "resp_1", "u2") == "resp_1"
    assert not database.write(lambda c: drop_response(c, "resp_1", "u2"))
    assert not database.write(lambda c: change_response(c, response(owner="u2", status="cancelled")))
    assert find(database) is not None


def test_two_owners_may_have_a_response_of_the_same_id(database: Database) -> None:
    keep(database, response(model="mine"), response(owner="u2", model="theirs"))
    assert find(database).model == "mine"
    assert find(database, owner="u2").model == "theirs"


def test_an_expired_response_is_not_found_and_then_swept(database: Database) -> None:
    keep(database, response())
    assert find(database, at_ms=NOW_MS + DAY_MS - 1) is not None
    assert find(database, at_ms=NOW_MS + DAY_MS) is None
    assert database.write(lambda c: sweep_responses(c, NOW_MS)) == 0
    assert database.write(lambda c: sweep_responses(c, NOW_MS + DAY_MS)) == 1


def test_a_sweep_is_bounded(database: Database) -> None:
    keep(database, *(response(f"resp_{at}") for at in range(RESPONSE_SWEEP_ROWS + 1)))
    later_ms = NOW_MS + DAY_MS
    assert database.write(lambda c: sweep_responses(c, later_ms)) == RESPONSE_SWEEP_ROWS
    assert database.write(lambda c: sweep_responses(c, later_ms)) == 1
    assert database.write(lambda c: sweep_responses(c, later_ms)) == 0


def test_the_oldest_of_an_owner_with_too_much_go_first(database: Database) -> None:
    keep(
        database,
        *(response(f"resp_{at}", created_at_ms=NOW_MS + at, input_items=b"x" * 1000) for at in range(5)),
        response("theirs", owner="u2", created_at_ms=0, input_items=b"x" * 1000),
    )
    bytes_max = 3 * (1000 + 4 + RESPONSE_ROW_BYTES + 100)
    while database.write(lambda c: trim_responses(c, bytes_max)):
        pass
    left = [at for at in range(5) if find(database, f"resp_{at}") is not None]
    assert left == [2, 3, 4]
    assert find(database, "theirs", "u2") is not None


def test_a_due_bill_is_no_reason_to_look_for_ever(database: Database) -> None:
    keep(database, response(status="queued", epoch="e1", bill=b"b" * 1000))
    assert database.write(lambda c: trim_responses(c, 100)) == 0
    assert find(database) is not None


def test_bills_of_one_owner_do_not_keep_others_from_being_trimmed(database: Database) -> None:
    """Bills that are due can't be deleted; whoever has many must not stand before the others for ever."""
    keep(database, response("due", owner="a", status="queued", epoch="e1", bill=b"b" * 9000))
    for at in range(3):
        keep(database, response(f"b{at}", owner="b", response=b"x" * 1000, created_at_ms=NOW_MS + at))
    while database.write(lambda c: trim_responses(c, 2000)):
        pass
    assert [at for at in range(3) if find(database, f"b{at}", "b") is not None] == [2]
    assert find(database, "due", "a") is not None


def test_all_together_are_bounded_at_the_cost_of_whoever_has_most(database: Database) -> None:
    for owner, number in (("a", 2), ("b", 5), ("c", 1)):
        for at in range(number):
            fields = {"owner": owner, "response": b"x" * 488, "created_at_ms": NOW_MS + at}
            keep(database, response(f"{owner}{at}", **fields))
    size = 488 + len(b"[][]") + RESPONSE_ROW_BYTES

    def left(bytes_max: int) -> dict[str, list[int]]:
        while database.write(lambda c: trim_largest(c, bytes_max)):
            pass
        names = {owner: range(5) for owner in "abc"}
        return {o: [at for at in r if find(database, f"{o}{at}", o) is not None] for o, r in names.items()}

    assert left(8 * size) == {"a": [0, 1], "b": [0, 1, 2, 3, 4], "c": [0]}
    assert left(6 * size) == {"a": [0, 1], "b": [2, 3, 4], "c": [0]}
    assert left(0) == {"a": [], "b": [], "c": []}


def test_what_can_not_be_deleted_ends_the_look_at_all_owners(database: Database) -> None:
    keep(database, response("due", status="queued", epoch="e1", bill=b"b" * 1000))
    keep(database, response("mine", owner="u2"))
    assert database.write(lambda c: trim_largest(c, 100)) == 1
    assert database.write(lambda c: trim_largest(c, 100)) == 0
    assert find(database, "due") is not None


def test_turns_come_oldest_first(database: Database) -> None:
    keep(
        database,
        response("a", input_items=b"[1]", output_items=b"[2]"),
        response("b", previous_id="a", input_items=b"[3]", output_items=b"[4]"),
        response("c", previous_id="b", input_items=b"[5]", output_items=b"[6]"),
    )
    assert turns(database, "c") == ((b"[1]", b"[2]"), (b"[3]", b"[4]"), (b"[5]", b"[6]"))


def test_a_broken_chain_names_what_is_missing(database: Database) -> None:
    keep(database, response("b", previous_id="a"))
    assert turns(database, "b") == "a"
    keep(database, response("a", channel="elsewhere"))
    assert turns(database, "b") == "a"


def test_a_history_is_bounded_in_bytes_and_turns(database: Database) -> None:
    keep(
        database, response("a", input_items=b"x" * 60), response("b", previous_id="a", input_items=b"x" * 60)
    )
    with pytest.raises(HistoryTooLong):
        turns(database, "b", bytes_max=100)
    keep(database, response("loop", previous_id="loop"))
    with pytest.raises(HistoryTooLong):
        turns(database, "loop", bytes_max=RESPONSE_TURNS_MAX * MIB)


def test_only_an_open_response_changes_its_state(database: Database) -> None:
    keep(database, response(status="queued", background=True, input_items=b"[1]"))
    assert database.write(lambda c: change_response(c, response(status="cancelled")))
    assert not database.write(lambda c: change_response(c, response(status="completed")))
    found = find(database)
    assert (found.status, found.input_items) == ("cancelled", b"[1]")


def test_the_open_response_of_a_dead_worker_has_failed(database: Database) -> None:
    database.write(lambda c: open_epoch(c, "e1", 0, NOW_MS))
    keep(database, response(status="in_progress", epoch="e1", background=True))
    assert find(database).status == "in_progress"
    database.write(lambda c: mark_buried(c, "e1", NOW_MS))
    assert find(database).status == "failed"


def test_the_bill_of_a_dead_worker_is_claimed_once(database: Database) -> None:
    for epoch in ("e1", "e2", "e3"):
        database.write(lambda c, epoch=epoch: open_epoch(c, epoch, 0, NOW_MS))
    due = response(status="queued", epoch="e1", channel="c1", bill=b"bill")
    keep(database, due)
    assert database.write(lambda c: claim_due(c, "e2")) is None
    database.write(lambda c: mark_buried(c, "e1", NOW_MS))
    assert find(database).status == "queued", "somebody will see to it"
    assert database.write(lambda c: claim_due(c, "e2")) == due
    assert database.write(lambda c: claim_due(c, "e3")) is None
    settled = msgspec.structs.replace(due, status="completed", bill=b"")
    assert database.write(lambda c: change_response(c, settled))
    database.write(lambda c: mark_buried(c, "e2", NOW_MS))
    assert database.write(lambda c: claim_due(c, "e3")) is None


def test_a_due_bill_outlives_deletion_and_retention(database: Database) -> None:
    database.write(lambda c: open_epoch(c, "e1", 0, NOW_MS))
    keep(database, response(status="queued", epoch="e1", channel="c1", bill=b"bill"))
    assert database.write(lambda c: drop_response(c, "resp_1", "u1"))
    assert find(database) is None
    assert database.write(lambda c: sweep_responses(c, NOW_MS + DAY_MS)) == 0
    database.write(lambda c: mark_buried(c, "e1", NOW_MS))
    claimed = database.write(lambda c: claim_due(c, "e2"))
    assert claimed is not None
    assert claimed.bill == b"bill"
