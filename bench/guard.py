"""``python -m bench.guard [COMMIT] [--prove]``: whether this tree does the same work with more instructions.

Rates of a busy machine say little; how many instructions a fixed piece of work takes does not depend on what else the
machine does. callgrind counts them here and in the tree of COMMIT: the last tag, or where there is none the commit
before this one. More than TOLERANCE fails. Where valgrind is not installed, rates are compared in pairs of runs, and
only a difference that the whole of a 95 % interval shows fails.

``--prove`` shows that it can be believed: twice this tree differs by less than NOISE, and 5 % more work is seen.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.against import interval, pairs_of, worktree
from bench.guarded import KINDS, ROUNDS

TREE = Path(__file__).resolve().parent.parent
TOLERANCE = 0.03
NOISE = 0.005
_PLANTED = 0.05
_PAIRS = 15
_RATES = ("bulk-memory", "drain-memory", "drain-sqlite")
_COUNTED = re.compile(r"Collected : (\d+)")
_PLANT = """

def _planted(work):
    async def slow(self, jobs, *others, **named):
        for _ in range({turns} * len(jobs)):
            pass
        return await work(self, jobs, *others, **named)

    return slow


{name}.insert = _planted({name}.insert)
"""


def main() -> int:
    """1 where a piece of work has become dearer than the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?", default="")
    parser.add_argument("--prove", action="store_true")
    given = parser.parse_args()
    if given.prove:
        return prove()
    commit = given.commit or last_tag()
    print(f"this tree beside {commit}, at a tolerance of {TOLERANCE:.0%}", flush=True)
    with worktree(commit) as other:
        if shutil.which("callgrind_control") is not None:
            return min(1, sum(dearer(kind, TREE / "src", other / "src") for kind in KINDS))
        print("valgrind is not installed: rates are compared, in pairs of runs")
        return min(1, sum(slower(question, other / "src") for question in _RATES))


def last_tag() -> str:
    """What this tree is compared with where nobody says."""
    command = ["git", "describe", "--tags", "--abbrev=0", "HEAD^"]
    ran = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or "HEAD^"


def dearer(kind: str, source: Path, other: Path) -> bool:
    """Whether the work takes more instructions in one source than in another."""
    mine, its = instructions(kind, source), instructions(kind, other)
    difference = mine / its - 1
    said = "DEARER" if difference > TOLERANCE else "as before" if difference > -TOLERANCE else "cheaper"
    print(f"{kind:14} {mine / ROUNDS / 100:9,.0f} instructions a job, were {its / ROUNDS / 100:9,.0f}: ", end="")
    print(f"{difference:+.2%}, {said}", flush=True)
    return difference > TOLERANCE


def instructions(kind: str, source: Path) -> int:
    """What the work takes with this source of headrace: the fewer of two runs."""
    return min(_count(kind, source) for _ in range(2))


def _count(kind: str, source: Path) -> int:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "BENCH_DATA") if name in os.environ}
    environment |= {"PYTHONPATH": f"{source}:{TREE}", "PYTHONHASHSEED": "0", "HEADRACE_GUARD": "1"}
    callgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
    # addresses decide how sets of objects are ordered: they are the same in each run
    command = ["setarch", "-R", *callgrind, sys.executable, "-m", "bench.guarded", kind]
    ran = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True, check=False)
    found = _COUNTED.search(ran.stderr)
    if ran.returncode or found is None:
        raise SystemExit(f"{kind} could not be counted with {source}:\n{ran.stderr[-2000:]}")
    return int(found[1])


def slower(question: str, other: Path) -> bool:
    """Whether the rate is lower, beyond doubt and beyond the tolerance."""
    low, high = interval(sorted(mine / its for mine, its in pairs_of(question, other, _PAIRS)))
    print(f"{question:14} {low:.3f} to {high:.3f} times the rate: {'SLOWER' if high < 1 - TOLERANCE else 'as before'}")
    return high < 1 - TOLERANCE


def prove() -> int:
    """0 where this tree is as dear as itself, and is dearer with 5 % planted in each storage."""
    proven = True
    for kind in KINDS:
        once, again = (_count(kind, TREE / "src") for _ in range(2))
        proven &= abs(again / once - 1) < NOISE
        print(f"{kind:14} twice the same: {once:,} and {again:,} instructions, {again / once - 1:+.3%}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            turns = 200
            for _ in range(2):
                slowed = _plant(Path(folder), turns)
                more = _count(kind, slowed) / once - 1
                turns = round(turns * _PLANTED / more)
            proven &= dearer(kind, slowed, TREE / "src")
    print("proven" if proven else "NOT PROVEN")
    return int(not proven)


def _plant(folder: Path, turns: int) -> Path:
    """A copy of the source whose storages turn round so often for each job that is inserted."""
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(TREE / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for module, name in (("memory/storage.py", "MemoryStorage"), ("sqlite/storage.py", "SqliteStorage")):
        with (source / "headrace" / "storage" / module).open("a", encoding="utf-8") as file:
            file.write(_PLANT.format(turns=turns, name=name))
    return source


if __name__ == "__main__":
    sys.exit(main())
