"""``python -m bench.peers.pairs [--rounds 5] [WORD...]``: measures each target by turns with what it is held against.

A machine that is shared may be twice as fast in one minute as in the next. So whether a target is met is not for two
figures to say that were measured an hour apart, but for the ratios of pairs: ours and theirs, one right after the
other, and in the next round the other way round. Between whom, the committed figures of ``bench.peers`` say. A WORD
picks the targets that have it in their names.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence

from bench.peers import floors
from bench.peers.catalogue import ADAPTERS, POSTGRES
from bench.peers.databases import Server, postgres
from bench.peers.environments import interpreter
from bench.peers.report import load
from bench.peers.run import alone, columns, keep, surroundings
from bench.peers.steps import Bench, Failed, Size
from bench.peers.targets import LATENCY, Contest, Record, contests

_WARM_UP = 1
"""Rounds that are not kept: the first has cold files to read."""


def main(arguments: Sequence[str]) -> int:
    """The exit code is 0 whatever the figures are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("words", nargs="*", metavar="WORD")
    given = parser.parse_args(arguments)
    with postgres() as server:
        for contest in contests(load()):
            if all(word in contest.name for word in given.words):
                print(f"{contest.name:60} {measure(contest, given.rounds, server)}", flush=True)
    return 0


def measure(contest: Contest, rounds: int, server: Server | None) -> str:
    """Keeps the figures of both sides, round after round; what they say, in words."""
    sides = ((contest.mine, contest.column), (contest.rival, contest.rival_column))
    measured: list[tuple[float, float]] = []
    try:
        for number in range(_WARM_UP + rounds):
            order = (0, 1) if number % 2 else (1, 0)
            found = {side: _rate(*sides[side], server) for side in order}
            measured.append((found[0], found[1]))
    except Failed as failed:
        return f"failed: {failed}"
    mine, theirs = zip(*measured[_WARM_UP:], strict=True)
    keep(f"pairs/{contest.name}", {"mine": mine, "theirs": theirs} | surroundings())
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    return f"{statistics.median(ratios):.3g} times, {min(ratios):.3g} to {max(ratios):.3g}"


def _rate(record: Record, column: str, server: Server | None) -> float:
    chosen = server if record["storage"] == POSTGRES else None
    with alone():
        if not record["package"]:
            return asyncio.run(floors.rate(floors.FLOORS[record["name"]], column, chosen))
        adapter = ADAPTERS[record["name"]]
        python = interpreter(adapter)
        if python is None:
            raise Failed(f"{adapter.name} is not installed (make bench-peers)")
        bench = Bench(adapter, Size(), python, chosen)
        if column == LATENCY:
            return float(bench.latency()["p50_ms"])
        found = dict(columns(bench))[column]()["per_s"]
        if found is None:
            raise Failed(f"{adapter.name} {column}: it did nothing")
        return float(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
