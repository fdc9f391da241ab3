"""``python -m headrace.testing.simulation``: runs simulations, prints what went wrong, and how to see it again."""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor  # noqa: TID251 - whole simulations side by side, none inside
from typing import Annotated

import msgspec
import typer

from headrace.system.clock import SystemClock
from headrace.testing.history.report import as_text
from headrace.testing.simulation.options import Options, drawn, journaled
from headrace.testing.simulation.run import Outcome, simulate

_CHUNK = 5


class Summary(msgspec.Struct, frozen=True):
    """What is kept of one simulation."""

    seed: int
    is_good: bool
    seconds: float
    """Of virtual time."""
    jobs: int
    calls: int
    text: str
    """Empty where it is good."""


def summarize(options: Options) -> Summary:
    """Run one, and keep what matters."""
    outcome = simulate(options)
    acknowledged = outcome.verdict.counts.get("acknowledged", 0)
    text = "" if outcome.is_good else describe(outcome)
    return Summary(options.seed, outcome.is_good, outcome.seconds, acknowledged, outcome.calls, text)


def describe(outcome: Outcome) -> str:
    """What went wrong, with the options and the line that runs it again."""
    lines = [as_text(outcome.verdict)]
    lines += [f"nobody took this: {failure}" for failure in outcome.failures]
    lines += [f"options: {msgspec.json.encode(outcome.options).decode()}", f"again:   {replay(outcome.options)}"]
    return "\n".join(lines)


def replay(options: Options) -> str:
    """The line that runs it again."""
    return f"python -m headrace.testing.simulation --options '{msgspec.json.encode(options).decode()}'"


def run_all(all_options: Sequence[Options], jobs: int) -> Iterator[Summary]:
    """As they come, in order."""
    if jobs == 1:
        yield from map(summarize, all_options)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(summarize, all_options, chunksize=_CHUNK)


def _fix_hashes() -> None:
    """The order of sets of text differs from process to process, and is part of a run: start anew with a fixed one."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "headrace.testing.simulation", *sys.argv[1:]])


def main(
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    seeds: Annotated[int, typer.Option(help="How many, one after another.")] = 1,
    jobs: Annotated[int, typer.Option(help="How many side by side; 0: as many as there are processors.")] = 1,
    journal: Annotated[bool, typer.Option(help="On a storage of one process, which keeps a journal.")] = False,
    options: Annotated[str, typer.Option(help="The options of one simulation, as a failure prints them.")] = "",
) -> None:
    """Simulate clusters, and check what happened in them."""
    _fix_hashes()
    clock = SystemClock()
    began = clock.monotonic()
    chosen = [msgspec.json.decode(options, type=Options)] if options else [drawn(seed + n) for n in range(seeds)]
    if journal:
        chosen = [journaled(one) for one in chosen]
    bad = work = calls = 0
    virtual = 0.0
    for summary in run_all(chosen, jobs or os.cpu_count() or 1):
        virtual, work, calls = virtual + summary.seconds, work + summary.jobs, calls + summary.calls
        if not summary.is_good:
            bad += 1
            print(f"seed {summary.seed}\n{summary.text}\n", flush=True)  # noqa: T201 - its output
    took = clock.monotonic() - began
    print(  # noqa: T201 - its output
        f"simulations={len(chosen)} seeds={chosen[0].seed}..{chosen[-1].seed} virtual_hours={virtual / 3600:.1f} "
        f"jobs={work} calls={calls} seconds={took:.1f} bad={bad} {'FAIL' if bad else 'PASS'}"
    )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    typer.run(main)
