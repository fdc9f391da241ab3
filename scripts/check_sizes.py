"""Keeps files and functions under src small enough to be read in one go. Exceptions are named here, with a reason."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 400
LONG_FILE = 250
LONGEST_FUNCTION = 40

LONG_FILES = {
    "src/headrace/model/errors.py": "one short class for each error; they are read one at a time",
    "src/headrace/system/minder.py": "a program by itself, which can import nothing of ours",
}
"""Files of more than LONG_FILE lines that may be so. None may have more than LONGEST_FILE."""

LONG_FUNCTIONS: dict[str, str] = {}
"""``path::name`` of functions of more than LONGEST_FUNCTION lines that may be so."""


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Every function with its dotted name and its length, its docstring included, its decorators not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, (node.end_lineno or node.lineno) - node.lineno + 1
        name = f"{prefix}{node.name}." if hasattr(node, "name") and isinstance(node.name, str) else prefix
        yield from functions(node, name)


def main() -> int:
    """Prints what is too long; 1 if anything is, or if an exception is no longer needed."""
    problems: list[str] = []
    unused = set(LONG_FILES) | set(LONG_FUNCTIONS)
    for path in sorted((ROOT / "src").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        length = text.count("\n")
        if length > LONG_FILE:
            unused.discard(name)
        if length > LONGEST_FILE:
            problems.append(f"{name} has {length} lines; {LONGEST_FILE} are allowed: give its parts files of their own")
        elif length > LONG_FILE and name not in LONG_FILES:
            print(f"note: {name} has {length} lines; most files stay under {LONG_FILE}")
        for function, lines in functions(ast.parse(text)):
            where = f"{name}::{function}"
            if lines <= LONGEST_FUNCTION:
                continue
            unused.discard(where)
            if where not in LONG_FUNCTIONS:
                problems.append(f"{where} has {lines} lines; {LONGEST_FUNCTION} are allowed: name its steps")
    problems.extend(
        f"{name} is short again; remove its exception from {Path(__file__).name}" for name in sorted(unused)
    )
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
