"""Without this, what is kept for next turns would grow without end, or outlive its time."""

from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.kept import NS, Kept


def test_the_oldest_goes_first_when_the_room_is_used_up() -> None:
    kept = Kept(bytes_max=40, keep_s=10)
    for number in range(6):
        kept.put(b"key%d" % number, b"value6", 0)
    assert kept.get(b"key0", 0) is None
    assert kept.get(b"key5", 0) == b"value6"
    assert kept.bytes_total == 40


def test_a_new_value_takes_the_place_of_the_old_one_and_is_young_again() -> None:
    kept = Kept(bytes_max=30, keep_s=10)
    kept.put(b"a", b"1" * 9, 0)
    kept.put(b"b", b"2" * 9, 0)
    kept.put(b"a", b"3" * 9, 0)
    kept.put(b"c", b"4" * 9, 0)
    assert [kept.get(key, 0) for key in (b"a", b"b", b"c")] == [b"3" * 9, b"2" * 9, b"4" * 9]
    kept.put(b"d", b"5" * 9, 0)
    assert kept.get(b"b", 0) is None
    assert kept.get(b"a", 0) == b"3" * 9


def test_nothing_outlives_its_time() -> None:
    kept = Kept(bytes_max=100, keep_s=10)
    kept.put(b"a", b"1", 0)
    assert kept.get(b"a", 10 * NS) == b"1"
    assert kept.get(b"a", 10 * NS + 1) is None
    kept.put(b"b", b"2", 10 * NS + 1)
    assert len(kept) == 1


def test_what_is_larger_than_the_room_is_not_kept_and_drives_nothing_out() -> None:
    kept = Kept(bytes_max=10, keep_s=10)
    kept.put(b"a", b"1", 0)
    kept.put(b"b", b"2" * 10, 0)
    assert kept.get(b"a", 0) == b"1"
    assert kept.get(b"b", 0) is None


@given(st.lists(st.tuples(st.sampled_from([b"a", b"bb", b"ccc"]), st.binary(max_size=30)), max_size=40))
def test_the_sum_is_that_of_what_is_there(puts: list[tuple[bytes, bytes]]) -> None:
    kept = Kept(bytes_max=50, keep_s=10)
    for at, (key, value) in enumerate(puts):
        kept.put(key, value, at)
        found = {k: v for k in (b"a", b"bb", b"ccc") if (v := kept.get(k, at)) is not None}
        assert kept.bytes_total == sum(len(k) + len(v) for k, v in found.items()) <= 50
