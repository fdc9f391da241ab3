"""Looks for a fault: one simulation after another, or one test after another, until something is wrong.

Each hunt runs in a forked process of its own, which plants the fault first.
"""

import contextlib
import importlib
import io
import multiprocessing
import os
import pkgutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from headrace.testing.history import checker
from headrace.testing.simulation.options import drawn
from headrace.testing.simulation.run import simulate
from tests.planted import faults
from tests.planted.planting import Fault, Proof

LONGEST = 40
"""Seconds of processor time after which one simulation counts as one that never ends."""
FAILURE = "uncaught error"
NEVER_ENDS = "never ends"


class HuntFailed(Exception):
    """A fault that could not be planted, or looked for."""


class Catch(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a hunt."""

    by: Sequence[str]
    """The kinds of violation seen, the most frequent first; or the name of the test that failed. Empty: not caught."""
    told: str
    """What the first of them says."""
    where: str
    """The seed, or the test, that shows it."""
    after: int
    """How many seeds were tried, or tests were run, until then."""
    seconds: float
    """Of processor time."""


def all_faults() -> Mapping[str, Fault]:
    """By name, in order."""
    names = sorted(module.name for module in pkgutil.iter_modules(faults.__path__))
    return {name: importlib.import_module(f"{faults.__name__}.{name}").FAULT for name in names}


def hunt(fault: Fault, wheres: Iterable[str]) -> Catch:
    """The first of these seeds, or tests, that catches it."""
    simulated = fault.proof is Proof.SIMULATION
    return apart(_hunt_by_seeds if simulated else _hunt_by_tests, fault, tuple(wheres))


def is_good(fault: Fault, seed: str) -> bool:
    """Whether nothing is wrong with this seed where the fault is not planted."""
    return bool(apart(lambda: not _look(fault, seed)[0]))


def apart(work: Callable[..., Any], *given: Any) -> Any:
    """What this work answers in a process of its own."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_answer, args=(theirs, work, given))
    process.start()
    theirs.close()
    try:
        answer, error = ours.recv()
    except EOFError:
        answer, error = None, "its process ended without a word"
    process.join()
    if error is not None:
        raise HuntFailed(error)
    return answer


def _answer(pipe: Connection, work: Callable[..., Any], given: Sequence[Any]) -> None:
    try:
        pipe.send((work(*given), None))
    except Exception as error:
        pipe.send((None, f"{type(error).__name__}: {error}"))


# --- by seeds --------------------------------------------------------------------------------------------------------


class _NeverEnds(KeyboardInterrupt):
    """Too long for one simulation. Nobody takes it for a failure of his own."""


def _hunt_by_seeds(fault: Fault, seeds: Sequence[str]) -> Catch:
    began = time.process_time()
    fault.plant()
    for number, seed in enumerate(seeds, 1):
        by, told = _look(fault, seed)
        if by:
            return Catch(by=by, told=told, where=seed, after=number, seconds=time.process_time() - began)
    return Catch(by=(), told="", where="", after=len(seeds), seconds=time.process_time() - began)


def _look(fault: Fault, seed: str) -> tuple[Sequence[str], str]:
    """The kinds of what is wrong, and what the first one says."""
    checker.SHRUNK = 0  # what is shown is a sentence: none is cut down
    signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, LONGEST, 1)
    try:
        outcome = simulate(replace(drawn(int(seed)), **fault.under))
    except _NeverEnds:
        return (NEVER_ENDS,), f"still at it after {LONGEST} s"
    except Exception as error:
        return (FAILURE,), f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    violations = outcome.verdict.violations
    kinds = [str(kind) for kind, _ in Counter(violation.kind for violation in violations).most_common()]
    told = [violation.what for violation in violations if violation.kind == kinds[0]]
    told += [failure.splitlines()[-1] for failure in outcome.failures]
    return ([*kinds, FAILURE] if outcome.failures else kinds), told[0] if told else ""


def _give_up(_: int, __: FrameType | None) -> None:
    raise _NeverEnds


# --- by tests --------------------------------------------------------------------------------------------------------


class _Watch:
    """Counts tests, and keeps the first that failed."""

    def __init__(self) -> None:
        self.run = 0
        self.failed: tuple[str, str] | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.run += 1
        if report.failed and self.failed is None:
            crash = getattr(report.longrepr, "reprcrash", None)
            told = crash.message if crash is not None else str(report.longrepr)
            self.failed = report.nodeid, told.partition("\n")[0]


def _hunt_by_tests(fault: Fault, tests: Sequence[str]) -> Catch:
    began = time.process_time()
    fault.plant()
    watch = _Watch()
    for where in tests:
        with contextlib.redirect_stdout(io.StringIO()):
            pytest.main(["-x", "-q", "-p", "no:cacheprovider", where], plugins=[watch])
        if watch.failed is not None:
            test, told = watch.failed
            return Catch(by=[short(test)], told=told, where=test, after=watch.run, seconds=time.process_time() - began)
    return Catch(by=(), told="", where="", after=watch.run, seconds=time.process_time() - began)


def short(test: str) -> str:
    """The name of a test without its file and parameters."""
    return test.rpartition("::")[2].partition("[")[0]


def hashes_are_fixed() -> bool:
    """Whether the order of sets is the same as in every other run."""
    return os.environ.get("PYTHONHASHSEED") == "0"
