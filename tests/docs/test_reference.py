"""The generated reference. Without this, a setting, error, bound, metric, vendor or command could go
undocumented, or its page could say something else than the code.
"""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from switchgear.cli.app import COMMANDS
from switchgear.config.tables import TABLES
from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.errors import TABLE
from switchgear.kernel.facts import ModelFacts
from switchgear.vendors.shipped import shipped
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.neutral.loss import CONCEPTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_on_disk_is_what_the_code_says(make_docs: ModuleType) -> None:
    stale = [
        name
        for name, text in make_docs.pages().items()
        if not (make_docs.FOLDER / name).exists() or (make_docs.FOLDER / name).read_text() != text
    ]
    assert stale == [], "run: make docs"


def test_nothing_is_missing(make_docs: ModuleType) -> None:
    pages = make_docs.pages()
    fields = [field.name for table in TABLES for field in table.fields]
    for page, names in (
        ("errors.md", TABLE),
        ("settings.md", fields),
        ("vendors.md", shipped().vendors),
        ("models.md", [*shipped().models, *ModelFacts.__struct_fields__]),
        ("models.md", [family.pattern for family in shipped().families]),
        ("prices.md", shipped().models),
        ("metrics.md", [name for name, _, _ in make_docs.metrics()]),
        ("bounds.md", [name for name, _, _ in make_docs.bounds()]),
        ("conversion.md", [*DIALECTS, *CONCEPTS]),
    ):
        assert names
        assert [name for name in names if f"`{name}`" not in pages[page]] == [], page
    assert [name for name in COMMANDS if f"## `switchgear {name}`" not in pages["commands.md"]] == []


@pytest.mark.parametrize("client", DIALECTS)
def test_every_concept_has_a_fate_in_every_dialect(make_docs: ModuleType, client: DialectName) -> None:
    page: str = (
        make_docs.pages()["conversion.md"].partition(f"## A client of `{client}`")[2].partition("##")[0]
    )
    for concept in CONCEPTS:
        line = next(line for line in page.split("\n") if line.startswith(f"| `{concept}` "))
        field, *fates = (cell.strip(" `*") for cell in line.strip("|").split("|")[1:])
        assert field == DIALECT_OF[client].fields.get(concept, concept)
        for upstream, fate in zip(DIALECTS, fates, strict=True):
            carried = DIALECT_OF[upstream].carries.get(concept, "refuse")
            assert fate == ("as it is" if upstream == client else carried)


@pytest.mark.parametrize("name", DIALECTS)
def test_no_dialect_speaks_of_a_concept_that_is_none(name: DialectName) -> None:
    dialect = DIALECT_OF[name]
    assert set(dialect.carries) | set(dialect.fields) <= set(CONCEPTS)


def test_every_link_between_pages_leads_somewhere() -> None:
    files = [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]
    broken = [
        f"{file.relative_to(ROOT)} -> {target}"
        for file in files
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text())
        if not (file.parent / target).exists()
    ]
    assert broken == []


def test_every_page_of_the_reference_is_listed_in_its_index(make_docs: ModuleType) -> None:
    index = (DOCS / "README.md").read_text()
    pages = sorted(str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md") if file.name != "README.md")
    assert [page for page in pages if f"({page})" not in index] == []
