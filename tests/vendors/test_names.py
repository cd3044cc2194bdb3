"""Without this, ``if vendor == "…"`` would creep into the relay, and a vendor be more than one file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import switchgear
from switchgear.vendors.shipped import shipped

SOURCE = Path(switchgear.__file__).parent
OUR_OWN_PLACES = {"local", "compatible"}
"""They have no company behind them; live configuration may name them."""
DIALECT_FOLDER = "wire"
"""Dialects bear the names of the companies that drew them up."""


def constants(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every literal in code, docstrings left out."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Constant) and not isinstance(node, ast.Expr):
                yield child


def named(text: str) -> list[tuple[int, str]]:
    names = set(shipped().vendors) - OUR_OWN_PLACES
    found = [(node.lineno, node.value) for node in constants(ast.parse(text))]
    return [(line, value) for line, value in found if isinstance(value, str) and value.lower() in names]


def test_no_code_outside_the_data_names_a_vendor() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {name}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).parts[0] != DIALECT_FOLDER
        for line, name in named(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_search_finds_what_it_is_for() -> None:
    assert named('if channel.vendor == "groq":\n    pass\n') == [(1, "groq")]
    assert named('SPECIAL = {"Mistral", "local"}\n') == [(1, "Mistral")]
    assert named('"""openai"""\ndialect = "openai_chat"\n') == []
