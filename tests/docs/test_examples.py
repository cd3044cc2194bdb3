"""The examples of README and guides. Without this, the first file that a newcomer copies could be refused."""

import re
from pathlib import Path

import pytest

from switchgear.config.check import check, known_of
from switchgear.config.parse import parse
from switchgear.config.problem import has_errors
from switchgear.vendors.shipped import shipped

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs" / "guide").glob("*.md")]
EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_a_file_that_can_be_used(text: str) -> None:
    environ = {"OPENAI_API_KEY": "sk-x", "DEEPSEEK_API_KEY": "sk-y"}
    checked = check(parse(text, "example"), "example", environ, known_of(shipped()))
    assert not has_errors(checked.problems), [problem.text() for problem in checked.problems]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
