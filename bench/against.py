"""``python -m bench.against COMMIT [--pairs 15] [QUESTION...]``: this tree's rates over those of another commit.

Machines are noisy: what counts is the ratio inside a pair of runs, one right after the other, and its median over many.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from bench.drain import drain
from bench.enqueue import bulk, callers, rate, single
from bench.setting import MEMORY, SQLITE, store

Question = Callable[[str], Coroutine[object, object, float]]

QUESTIONS: dict[str, tuple[str, Question]] = {
    "bulk-memory": (MEMORY, lambda url: rate(url, bulk)),
    "bulk-sqlite": (SQLITE, lambda url: rate(url, bulk)),
    "callers-sqlite": (SQLITE, lambda url: rate(url, callers)),
    "single-sqlite": (SQLITE, lambda url: rate(url, single)),
    "drain-memory": (MEMORY, lambda url: drain(url, 60_000)),
    "drain-sqlite": (SQLITE, lambda url: drain(url, 60_000)),
}
"""Where jobs are kept, and what gives a rate there."""

_TREE = Path(__file__).resolve().parent.parent


def main() -> None:
    """Compares, and prints a line for each question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    given = parser.parse_intermixed_args()
    chosen = given.questions or list(QUESTIONS)
    if given.once:
        print(_measure(chosen[0]))
        return
    with worktree(given.commit) as other:
        for question in chosen:
            _compare(question, other / "src", given.pairs)


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """The tree of a commit, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", other, commit], cwd=_TREE, check=True)
        try:
            yield other
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", other], cwd=_TREE, check=True)


def _compare(question: str, other: Path, pairs: int) -> None:
    rates = pairs_of(question, other, pairs)
    ratios = sorted(mine / its for mine, its in rates)
    low, high = interval(ratios)
    mine, its = (statistics.median(column) for column in zip(*rates, strict=True))
    print(
        f"{question:15} ratio {statistics.median(ratios):.3f}, 95 % interval {low:.3f} to {high:.3f}, {pairs} pairs; "
        f"medians {mine:,.0f} and {its:,.0f} jobs/s",
        flush=True,
    )


def pairs_of(question: str, other: Path, pairs: int) -> list[tuple[float, float]]:
    """The rates of this tree and of another's source, measured by turns."""
    rates: list[tuple[float, float]] = []
    for number in range(pairs):
        order = (_TREE / "src", other) if number % 2 else (other, _TREE / "src")
        found = {source: _run(question, source) for source in order}
        rates.append((found[_TREE / "src"], found[other]))
    return rates


def interval(ordered: list[float]) -> tuple[float, float]:
    """Between which two of these ratios their median lies, at 95 %: by rank, whatever their distribution is."""
    rank = max(0, int((len(ordered) - 1.96 * len(ordered) ** 0.5) / 2))
    return ordered[rank], ordered[-1 - rank]


def _run(question: str, source: Path) -> float:
    environment = os.environ | {"PYTHONPATH": str(source)}
    command = [sys.executable, "-m", "bench.against", "-", "--once", question]
    ran = subprocess.run(command, cwd=_TREE, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(ran.stdout)


def _measure(question: str) -> float:
    kind, ask = QUESTIONS[question]
    started = perf_counter()
    rates = []
    while not rates or perf_counter() - started < 1.5:
        with store(kind) as url:
            rates.append(asyncio.run(ask(url)))
    return max(rates)


if __name__ == "__main__":
    main()
