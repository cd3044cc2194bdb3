"""Without this a history with an aborted call, a lost call or results in another order would be refused by
the upstream, or change with each turn and lose its prompt cache."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from switchgear.wire.neutral.history import NO_RESULT, merged, paired
from switchgear.wire.neutral.request import Part, Text, ToolCall, ToolResult, Turn


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def said(*parts: Part) -> Turn:
    return Turn("assistant", parts)


def call(id: str, name: str = "f") -> ToolCall:
    return ToolCall(id, name, "{}")


def result(id: str, text: str = "ok", name: str = "") -> ToolResult:
    return ToolResult(id, (Text(text),), name=name)


def texts_of(turns: Sequence[Turn]) -> Counter[str]:
    return Counter(part.text for turn in turns for part in turn.parts if isinstance(part, Text))


HI = user(Text("hi"))


def test_a_history_in_order_stays_as_it_is_but_for_the_names() -> None:
    turns = (HI, said(Text("a"), call("1", "look")), user(result("1")), said(Text("b")))
    assert paired(turns) == (*turns[:2], user(result("1", name="look")), turns[3])


def test_an_interrupted_call_gets_a_result_that_says_so() -> None:
    for rest in ((), (user(Text("stop")),)):
        turns = paired((HI, said(call("1"), call("2")), user(result("2")), *rest))
        assert turns[2].parts[:2] == (
            ToolResult("1", (Text(NO_RESULT),), name="f", is_error=True),
            result("2", name="f"),
        )


def test_an_aborted_last_call_gets_a_turn_of_its_own() -> None:
    assert paired((HI, said(call("1"))))[-1].parts[0] == ToolResult(
        "1", (Text(NO_RESULT),), name="f", is_error=True
    )


def test_a_result_without_a_call_becomes_text() -> None:
    assert paired((user(result("gone", "42"), Text("and?")),)) == (user(Text("42"), Text("and?")),)


def test_a_second_result_of_one_call_becomes_text() -> None:
    turns = paired((said(call("1")), user(result("1", "a"), result("1", "b"))))
    assert turns[1] == user(result("1", "a", name="f"), Text("b"))


def test_results_stand_before_the_text_in_the_order_of_the_calls() -> None:
    turns = paired(
        (
            said(call("1"), call("2")),
            Turn("system", (Text("s"),)),
            user(Text("t"), result("2")),
            user(result("1")),
        )
    )
    assert turns[1] == user(result("1", name="f"), result("2", name="f"))
    assert turns[2:] == (Turn("system", (Text("s"),)), user(Text("t")))


def test_calls_in_neighbouring_turns_are_one_turn() -> None:
    turns = paired((said(call("1")), said(Text("x"), call("2")), user(result("1"), result("2"))))
    assert turns[0] == said(call("1"), Text("x"), call("2"))


def test_results_without_an_id_find_their_calls_by_name_and_order() -> None:
    turns = paired(
        (
            said(call("", "f"), call("", "g"), call("", "f")),
            user(result("", "1", "f"), result("", "2", "f"), result("", "3", "g")),
        )
    )
    assert [part.id for part in turns[0].parts if isinstance(part, ToolCall)] == [
        "call_0",
        "call_1",
        "call_2",
    ]
    assert turns[1] == user(
        result("call_0", "1", "f"), result("call_1", "3", "g"), result("call_2", "2", "f")
    )


def test_results_with_ids_of_their_own_find_their_calls_by_name_and_order() -> None:
    turns = paired(
        (
            said(call("", "f"), call("", "g"), call("", "f")),
            user(result("f-1", "1", "f"), result("f-2", "2", "f"), result("g-1", "3", "g")),
        )
    )
    assert turns[1] == user(
        result("call_0", "1", "f"), result("call_1", "3", "g"), result("call_2", "2", "f")
    )


def test_results_of_no_known_name_take_the_open_calls_in_order() -> None:
    turns = paired((said(call("", "f"), call("", "g")), user(result("x", "1", "other"), result("y", "2"))))
    assert turns[1] == user(result("call_0", "1", "f"), result("call_1", "2", "g"))
    turns = paired((said(call("1", "f"), call("2", "g")), user(result("", "b", "other"), result("1", "a"))))
    assert turns[1] == user(result("1", "a", "f"), result("2", "b", "g"))


def test_two_ids_that_differ_are_two_calls_unless_the_name_says_otherwise() -> None:
    turns = paired((said(call("1")), user(result("x", "b"))))
    assert turns[1] == user(ToolResult("1", (Text(NO_RESULT),), name="f", is_error=True), Text("b"))
    turns = paired((said(call("1")), user(result("x", "b", "f"))))
    assert turns[1] == user(result("1", "b", "f"))


def test_a_good_id_goes_before_a_guess() -> None:
    turns = paired((said(call("1"), call("2")), user(result("", "b"), result("1", "a"))))
    assert turns[1] == user(result("1", "a", "f"), result("2", "b", "f"))


def test_a_result_that_names_a_call_of_another_turn_is_not_guessed_at() -> None:
    turns = paired((said(call("1")), user(result("1", "a")), said(call("2")), user(result("1", "b"))))
    assert turns[3] == user(ToolResult("2", (Text(NO_RESULT),), name="f", is_error=True), Text("b"))


def test_a_result_that_comes_late_goes_up_to_its_call() -> None:
    turns = paired(
        (
            said(call("1"), call("2")),
            user(result("2", "b"), Text("and?")),
            said(Text("still running")),
            user(result("1", "a"), Text("done")),
        )
    )
    assert turns == (
        said(call("1"), call("2")),
        user(result("1", "a", "f"), result("2", "b", "f"), Text("and?")),
        said(Text("still running")),
        user(Text("done")),
    )


def test_ids_that_each_answer_counts_anew_are_paired_within_their_answer() -> None:
    turns = (said(call("0")), user(result("0", "a")), said(call("0")), user(result("0", "b")))
    assert [turn.parts[0] for turn in paired(turns)[1::2]] == [
        result("0", "a", name="f"),
        result("0", "b", name="f"),
    ]


def test_neighbours_of_one_role_are_joined_and_system_turns_are_not() -> None:
    system = Turn("system", (Text("s"),))
    assert merged((system, system, HI, user(Text("x"), result("1")), said(Text("a")), said(Text("b")))) == (
        system,
        system,
        user(result("1"), Text("hi"), Text("x")),
        said(Text("a"), Text("b")),
    )


_ids = st.sampled_from(["", "1", "2", "3"])
_parts: st.SearchStrategy[Any] = st.one_of(
    st.builds(Text, st.text(max_size=2)), st.builds(call, _ids), st.builds(result, _ids)
)
_turns = st.builds(
    lambda role, parts: Turn(
        role,
        tuple(
            part for part in parts if not isinstance(part, ToolCall if role != "assistant" else ToolResult)
        ),
    ),
    st.sampled_from(["system", "user", "assistant"]),
    st.lists(_parts, max_size=4),
)


@given(st.lists(_turns, max_size=8))
def test_whatever_comes_every_call_has_its_result_and_texts_survive(turns: list[Turn]) -> None:
    found = merged(paired(turns))
    for at, turn in enumerate(found):
        calls = [part.id for part in turn.parts if isinstance(part, ToolCall)]
        if calls:
            following = [part.call_id for part in found[at + 1].parts if isinstance(part, ToolResult)]
            assert following == calls
        elif turn.role == "user":
            results = [part for part in turn.parts if isinstance(part, ToolResult)]
            assert not results or any(isinstance(part, ToolCall) for part in found[at - 1].parts)
    assert not texts_of(turns) - texts_of(found)
    assert paired(paired(turns)) == paired(turns)


def test_a_long_history_takes_linear_time() -> None:
    calls = [call(str(at)) for at in range(50_000)]
    turns = [said(one) for one in calls] + [user(result(one.id)) for one in reversed(calls)]
    began = time.process_time()
    found = merged(paired(turns))
    assert time.process_time() - began < 3
    assert len(found) == 2
