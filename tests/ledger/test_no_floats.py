"""Money stays integer.

Without this test one division or one constant could bring rounding errors into every bill.
"""

import ast
from pathlib import Path

import pytest

import switchgear

ROOT = Path(switchgear.__file__).parent
MONEY_FILES = [
    *sorted((ROOT / "ledger").glob("*.py")),
    ROOT / "kernel" / "money.py",
    ROOT / "kernel" / "charge.py",
    ROOT / "catalog" / "price.py",
]


def floats_in(source: str) -> list[str]:
    """Float constants, true divisions and calls or names of ``float``, as source text."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
        or (isinstance(node, ast.Name) and node.id == "float")
    ]


@pytest.mark.parametrize("path", MONEY_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_float_touches_money(path: Path) -> None:
    assert floats_in(path.read_text()) == []


def test_the_check_sees_floats() -> None:
    source = "a = 1 / b\na /= 2\nc = 0.5\nd = float(a)\ne = 4 // 2"
    assert sorted(floats_in(source)) == ["0.5", "1 / b", "a /= 2", "float"]
