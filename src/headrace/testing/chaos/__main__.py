"""``python -m headrace.testing.chaos --storage sqlite --kills 500 --seed 7``."""

import argparse
import gc
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import msgspec

from headrace.testing.chaos.backends import BACKENDS
from headrace.testing.chaos.driver import Run, commit
from headrace.testing.chaos.machine.courses import COURSES, LACKING, lacks
from headrace.testing.chaos.machine.rights import enter, may_mount
from headrace.testing.chaos.machine.run import CourseRun
from headrace.testing.chaos.outcome import Outcome, Report, Request, total
from headrace.testing.chaos.scenarios import SCENARIOS
from headrace.testing.chaos.sole.backends import SOLE_BACKENDS
from headrace.testing.chaos.sole.run import SoleRun
from headrace.testing.history.report import as_line

_SHOWN = 10


def main(arguments: Sequence[str]) -> int:
    """0 where nothing happened that may not."""
    parser = _parser()
    given = parser.parse_args(arguments)
    course = COURSES.get(given.scenario)
    if course is not None and given.storage != "sqlite":
        parser.error(f"scenario {given.scenario} is about files: it takes --storage sqlite")
    if course is not None and course.mounts and not may_mount():
        enter(arguments)
    lacking = lacks(given.scenario)
    if lacking is not None:
        print(f"scenario {given.scenario} needs {lacking}", file=sys.stderr)
        return LACKING
    request = Request(
        given.storage,
        given.kills,
        given.seed,
        given.scenario,
        dict(wish.partition("=")[::2] for wish in given.set),
        given.seconds,
        given.slices,
    )
    try:
        outcomes = _run_all(request, given)
    finally:
        BACKENDS[request.storage].close()
    whole = total(request, outcomes)
    if request.slices > 1 or not whole.is_good:
        print()
    print(whole.line, flush=True)
    return 0 if whole.is_good else 1


def _run_all(request: Request, given: argparse.Namespace) -> Sequence[Outcome]:
    """Its storms, but for those that an interrupted run has left."""
    outcomes = _done_before(request, given.json)
    if outcomes:
        print(f"{len(outcomes)} of {request.slices} storms were run before", flush=True)
    gc.freeze()
    for part in request.parts[len(outcomes) :]:
        outcomes.append(_run(part, given.folder, keep=given.keep))
        if given.json is not None:
            _write(given.json, request, outcomes)
        if request.slices > 1:
            print(outcomes[-1].line, flush=True)
    return outcomes


def _run(request: Request, where: Path | None, *, keep: bool) -> Outcome:
    """One storm, in a folder that is removed where all went well."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-chaos-", dir=where))
    kind = CourseRun if request.scenario in COURSES else SoleRun if request.storage in SOLE_BACKENDS else Run
    run = kind(request, folder, _tell)
    outcome = run.run()
    _tell("")
    if outcome.is_good and not keep:
        shutil.rmtree(folder)
        return msgspec.structs.replace(outcome, folder="")
    run.keep()
    _explain(outcome)
    return outcome


def _done_before(request: Request, path: Path | None) -> list[Outcome]:
    """The storms of this very request, on this very code, that an interrupted run has left."""
    if path is None or not path.exists():
        return []
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    own = commit()
    same = report.request == request and "+" not in own and {outcome.commit for outcome in report.outcomes} == {own}
    return list(report.outcomes) if same and len(report.outcomes) < request.slices else []


def _write(path: Path, request: Request, outcomes: Sequence[Outcome]) -> None:
    whole = total(request, outcomes)
    report = Report(request, whole.line, whole, outcomes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m headrace.testing.chaos", description=__doc__)
    parser.add_argument("--storage", choices=sorted(BACKENDS), default="sqlite", help="the kind of store")
    parser.add_argument("--kills", type=int, default=500, help="how many kill -9 (default: 500)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (default: 1)")
    parser.add_argument("--seconds", type=float, help="end the storm after so many, whatever number of kills")
    parser.add_argument("--slices", type=int, default=1, help="so many storms share the kills, each with the next seed")
    parser.add_argument("--scenario", choices=sorted({*SCENARIOS, *COURSES}), default="storm", help="what else happens")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the scenario")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that is known of the run there")
    parser.add_argument("--folder", type=Path, help="where the run has its files (default: the system's)")
    parser.add_argument("--keep", action="store_true", help="keep the files, also where all went well")
    return parser


def _tell(text: str) -> None:
    """Progress, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)


def _explain(outcome: Outcome) -> None:
    """What happened, the smallest parts of the history that show it, and how to have it again."""
    for violation in outcome.violations[:_SHOWN]:
        print(f"{violation.kind}: {violation.what}")
        for record in violation.records:
            print(f"    {as_line(record)}")
    for objection in outcome.objections[:_SHOWN]:
        print(f"objection: {objection}")
    further = len(outcome.violations[_SHOWN:]) + len(outcome.objections[_SHOWN:])
    if further:
        print(f"and {further} more")
    print(f"ledgers and store: {outcome.folder}")
    print(f"replay: {outcome.request.command}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print(
            "\ninterrupted: with --json the storms that were over are kept, and the same command goes on",
            file=sys.stderr,
        )
        sys.exit(130)
    except Exception:
        traceback.print_exc()
        sys.exit(2)
