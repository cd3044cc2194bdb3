"""Without this a field that a channel renames could replace the one that a client wrote by its right name."""

from msgspec import Raw

from switchgear.wire.dialect import Edits
from switchgear.wire.edits import edited

ONE, TWO = Raw(b"1"), Raw(b"2")
RENAME = Edits(rename={"max_tokens": "max_completion_tokens"})


def test_a_field_goes_by_the_name_that_the_upstream_reads() -> None:
    assert edited({"model": ONE, "max_tokens": TWO}, RENAME) == {"model": ONE, "max_completion_tokens": TWO}


def test_where_the_new_name_already_exists_that_one_stays() -> None:
    kept = {"max_completion_tokens": ONE}
    assert edited({"max_completion_tokens": ONE, "max_tokens": TWO}, RENAME) == kept
    assert edited({"max_tokens": TWO, "max_completion_tokens": ONE}, RENAME) == kept


def test_what_the_upstream_refuses_is_left_out() -> None:
    assert edited({"model": ONE, "store": TWO}, Edits(drop=("store",))) == {"model": ONE}
