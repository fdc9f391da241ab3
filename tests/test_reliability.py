"""The page on reliability is complete and true: 33 rows, the tests that they name, and the names of the checker."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from headrace.testing.history.verdict import Kind

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/explanation/reliability.md"
TEXT = PAGE.read_text(encoding="utf-8")
_CODE = re.compile(r"`([^`]+)`")
_TEST = re.compile(r"`((?:\w+/)*test_\w+\.py(?:::\w+)?)`")


class Row(NamedTuple):
    """One row of the table."""

    number: str
    what: str
    kinds: str
    tests: str
    but: str

    def __str__(self) -> str:
        return self.number


ROWS = [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in re.findall(r"^\| I\d.*$", TEXT, re.M)]


@cache
def defined_in(file: Path) -> frozenset[str]:
    """Every test and class of tests in a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assigned = {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for name in ast.walk(node.targets[0])
        if isinstance(name, ast.Name)
    }
    return frozenset({node.name for node in ast.walk(tree) if isinstance(node, named)} | assigned)


def exists(test: str) -> bool:
    """Whether there is such a file, and such a test in it."""
    path, _, name = test.partition("::")
    folder = ROOT / "src/headrace/testing" if path.startswith("conformance/") else ROOT / "tests"
    return (folder / path).is_file() and (not name or name in defined_in(folder / path))


def test_the_table_has_every_row_once_and_in_order() -> None:
    assert [row.number for row in ROWS] == [f"I{number}" for number in range(1, 34)]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_says_what_holds_and_names_what_holds_it(row: Row) -> None:
    assert row.what.endswith(".")
    named = _TEST.findall(row.tests)
    assert 2 <= len(named) <= 6
    assert ", ".join(f"`{one}`" for one in named) == row.tests
    assert not row.but.endswith(".")


@pytest.mark.parametrize("test", sorted(set(_TEST.findall(TEXT))))
def test_what_is_named_exists(test: str) -> None:
    assert exists(test)


def test_the_names_of_the_checker_are_its_own_and_none_is_left_out() -> None:
    named = [kind for row in ROWS for kind in _CODE.findall(row.kinds)]
    assert set(named) == set(Kind)


@pytest.mark.parametrize(
    "wrong",
    [
        "acceptance/test_nothing.py::test_a_storm_of_kills_loses_nothing",
        "acceptance/test_chaos.py::test_nothing",
        "conformance/test_nothing.py",
        "test_claim.py::TestClaim",
    ],
)
def test_a_test_that_does_not_exist_is_seen(wrong: str) -> None:
    assert not exists(wrong)
