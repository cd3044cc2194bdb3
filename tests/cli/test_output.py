"""Tables on terminals. Without these, a list could be unreadable where columns break over lines, or leave out
what people came for."""

import pytest

from switchgear.cli.output import fitted

LINES = [
    ["name", "key", "models", "usd"],
    ["ci", "sk-ab…wxyz", "gpt-5.2,gpt-4o-mini,claude-sonnet-4-5", "5"],
    ["default", "sk-cd…stuv", "-", "12.5"],
]


def width_of(lines: list[list[str]]) -> int:
    return sum(max(map(len, column)) for column in zip(*lines, strict=True)) + 2 * (len(lines[0]) - 1)


def test_a_wide_terminal_and_a_pipe_show_all() -> None:
    assert fitted(LINES, width_of(LINES), ("models",)) == (LINES, [])
    assert fitted(LINES, None, ("models",)) == (LINES, [])


@pytest.mark.parametrize("width", range(12, 70))
def test_lines_fit_and_what_goes_first_goes_first(width: int) -> None:
    lines, left_out = fitted(LINES, width, ("models", "key"))
    assert width_of(lines) <= max(width, 13)
    assert left_out in ([], ["models"], ["models", "key"])
    assert lines[0] == [name for name in LINES[0] if name not in left_out]


def test_cells_are_cut_once_no_more_columns_can_go() -> None:
    lines, left_out = fitted(LINES, 40, ())
    assert left_out == []
    assert lines[1][2].endswith("…")
    assert [line[:2] + line[3:] for line in lines] == [line[:2] + line[3:] for line in LINES]


def test_a_list_of_nothing_has_its_header() -> None:
    assert fitted([["name", "key"]], 5, ("key",)) == ([["name"]], ["key"])
