"""The reader of configuration files on files nobody thought of.

Without it, an odd but valid TOML file could end in a traceback, or a problem could point at a wrong line.
"""

import json
import tomllib
from datetime import date, datetime, time

from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.config.check import Known, check
from switchgear.config.locate import line_of, locate
from switchgear.config.parse import parse
from switchgear.config.tables import TABLES, Table

KNOWN = Known(models={"openai": ("gpt-5.2",), "local": ()}, priced=frozenset({"gpt-5.2"}))

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(
    ["a", "default", "1.75", "-1", "nan", "1e400", "10.0.0.0/8", "http://[::1/", "http://h:99999/", "openai"]
)
scalars = (
    texts
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats()
    | st.datetimes()
    | st.dates()
    | st.times()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def written(value: object) -> str:
    """A value as TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)} = {written(inner)}" for key, inner in value.items()) + "}"
    return repr(value)


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []

    def add(table: Table, prefix: str) -> None:
        name = prefix + table.name
        lines.append(f"[[{name}]]" if table.is_array else f"[{name}]")
        fields = st.sampled_from([field.name for field in table.fields])
        entries = draw(st.dictionaries(fields | texts, values, max_size=4))
        lines.extend(f"{written(key)} = {written(value)}" for key, value in entries.items())

    for table in draw(st.lists(st.sampled_from(TABLES), max_size=5, unique_by=lambda table: table.name)):
        for _ in range(draw(st.integers(1, 3)) if table.is_array else 1):
            add(table, "")
    return "\n".join(lines) + "\n"


@given(documents())
@settings(max_examples=150, deadline=None)
def test_any_document_gives_a_config_and_problems_on_its_own_lines(text: str) -> None:
    tomllib.loads(text)
    checked = check(parse(text, "f"), "f", {}, KNOWN)
    for problem in checked.problems:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert "\n" not in problem.text()


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_problems_and_never_a_traceback(text: str) -> None:
    parse(text, "f")


blanks = st.lists(st.sampled_from(["", "# a # comment", "   "]), max_size=3)
tricky = st.sampled_from(
    [
        '"plain"',
        "'lit\\'",
        '"with \\" quote # no comment"',
        '"""many\nlines [[x]]\na = 1"""',
        "'''x\n'y'\n'''",
        "[\n  1, # one\n  2,\n]",
        "{ a = [1, 2], b = { c = 3 } }",
        "1979-05-27T07:32:00Z",
        '""""quoted""""',
    ]
)
names = st.sampled_from(["a", '"b.c"', "d-e", "'f g'"])


tables = st.tuples(st.sampled_from(["t", "u"]), st.dictionaries(names, st.tuples(blanks, tricky)))


@given(st.lists(tables, max_size=5))
@settings(max_examples=200, deadline=None)
def test_every_key_is_found_on_the_line_on_which_it_was_written(document: list[tuple[str, dict]]) -> None:
    text, expected, count = "", {}, {"t": -1, "u": -1}
    for table, entries in document:
        count[table] += 1
        expected[(table, count[table])] = text.count("\n") + 1
        text += f"[[{table}]]\n"
        for key, (blank, value) in entries.items():
            text += "".join(line + "\n" for line in blank)
            expected[(table, count[table], key.strip("\"'"))] = text.count("\n") + 1
            text += f"{key} = {value}\n"
    tomllib.loads(text)
    found = locate(text)
    assert {path: line for path, line in found.items() if path in expected} == expected
    assert line_of(found, ("t", 0, "a", "deeper")) == found.get(("t", 0, "a"), found.get(("t", 0), 1))


def test_elements_of_arrays_and_nested_tables_have_lines() -> None:
    lines = locate('[[a]]\nx = [\n  "1", # one\n\n  "2"]\n[[a.b]]\ny = 1\n[a.c]\nz.w = 2\n[[a]]\n[[a.b]]\n')
    assert lines[("a", 0, "x", 0)] == 3
    assert lines[("a", 0, "x", 1)] == 5
    assert lines[("a", 0, "b", 0, "y")] == 7
    assert lines[("a", 0, "c", "z", "w")] == 9
    assert lines[("a", 1, "b", 0)] == 11
