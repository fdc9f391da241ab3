"""What holds for all examples: they are told of, tested, short, and typed as users type theirs."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import EXAMPLES

ALL = sorted(EXAMPLES.glob("*.py"))
SHORT = 80
"""Lines, of which some are the docstring."""


@pytest.mark.parametrize("example", ALL, ids=lambda path: path.name)
def test_it_is_told_of_tested_and_short(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    assert f"| [{example.name}]({example.name}) |" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert Path(__file__).with_name(f"test_{example.name}").exists()
    assert text.count("\n") < SHORT
    said = ast.get_docstring(ast.parse(text)) or ""
    assert example.name in said or f"{example.stem}:" in said, "how to run it"


@pytest.mark.parametrize("example", ALL, ids=lambda path: path.name)
def test_its_name_hides_no_module_of_the_standard_library(example: Path) -> None:
    """The folder of a program comes first where Python looks for modules."""
    assert example.stem not in sys.stdlib_module_names


def test_all_are_typed(tmp_path: Path, need: Callable[..., None]) -> None:
    need("fastapi", "flask", "httpx")
    mypy = pytest.importorskip("mypy.api")
    options = ["--strict", "--no-error-summary", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    out, err, code = mypy.run([*options, *map(str, ALL)])
    assert (out, err, code) == ("", "", 0)
