"""Writes the parts of the docs that follow from the code, between their markers. With --check it only compares."""

import sys
from pathlib import Path

from headrace.model.state import FINAL, KIND, MOVES, State

ROOT = Path(__file__).resolve().parent.parent
STATES = ROOT / "docs" / "explanation" / "states.md"


def diagram() -> str:
    """The table of moves as a mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR", "    [*] --> pending: enqueued, due now"]
    lines.append("    [*] --> scheduled: enqueued, due later")
    lines += [f"    {start} --> {end}: {why}" for start, ends in MOVES.items() for end, why in ends.items()]
    lines += [f"    {state} --> [*]" for state in State if state in FINAL]
    return "\n".join([*lines, "```"])


def table() -> str:
    """The table of moves as a table to read."""
    lines = ["| from | kind | to | why |", "|---|---|---|---|"]
    for start, ends in MOVES.items():
        lines += [f"| `{start}` | {KIND[start]} | `{end}` | {why} |" for end, why in ends.items()]
        if not ends:
            lines.append(f"| `{start}` | {KIND[start]} | | nothing moves it |")
    return "\n".join(lines)


def between(text: str, name: str, content: str) -> str:
    """``text`` with ``content`` between the markers of ``name``."""
    begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{STATES.relative_to(ROOT)}: the markers {begin} and {end} are missing")
    return f"{head}{begin}\n{content}\n{end}{tail}"


def main(arguments: list[str]) -> int:
    """0 when the committed text is up to date, or was written."""
    old = STATES.read_text(encoding="utf-8")
    new = between(between(old, "diagram", diagram()), "moves", table())
    if new == old:
        return 0
    if "--check" in arguments:
        print(f"{STATES.relative_to(ROOT)} is out of date; run: python scripts/generate_docs.py", file=sys.stderr)
        return 1
    STATES.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
