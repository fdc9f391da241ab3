"""How a fault is planted: the text of one function, or one value of a module, is replaced from outside.

A function keeps its identity and gets other code, so that whoever imported it runs the faulty one. A text that is not
found is an error: a fault goes along with the code, or is taken out. Faults are planted in processes of their own, and
so are never taken back.
"""

import __future__

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from headrace.runtime.leader import Leader
from headrace.testing.simulation.weather import Climate


class Proof(StrEnum):
    """What is to catch a fault."""

    SIMULATION = "simulation"
    MEMORY = "tests/storage/test_conformance_memory.py"
    SQLITE = "tests/storage/test_conformance_sqlite.py"
    LIFECYCLE = "tests/model/test_lifecycle.py"
    LIMITS = "tests/runtime/test_limits.py"
    LEADER = "tests/runtime/test_leader.py"


CALM = Climate(usual=0.01)
BUSY: Mapping[str, Any] = {
    "workers": 3,
    "operators": 1,
    "work_each": 1.0,
    "slots": 10,
    "poll": 1.0,
    "reap": 2.0,
    "within": 400.0,
}
ZOMBIES = {**BUSY, "lease": 3.0, "hold_each": 3.0, "kill_each": 0.0, "climate": CALM}
"""Processes that stand still for longer than their lease, again and again, with much in hand."""
POISON = {**BUSY, "poison": True, "lease": 3.0, "kill_each": 10.0, "hold_each": 0.0, "climate": CALM}
"""Jobs that kill their worker, beside others."""
SLOW = {
    **BUSY,
    "producers": 4,
    "hold_each": 0.0,
    "kill_each": 0.0,
    "climate": Climate(usual=0.02, slow=0.1, slowest=1.0),
}
"""Calls take their time, so that others come in between."""
LOSSES = {**BUSY, "stop_each": 0.0, "kill_each": 0.0, "climate": Climate(usual=0.01, refused=0.05, answer_lost=0.1)}
"""Calls fail, and answers get lost."""


class Fault(NamedTuple):
    """One plausible mistake."""

    wrong: str
    """What it does, in one sentence."""
    disaster: str
    """Where the like of it cost somebody their jobs."""
    edits: Sequence[Callable[[], None]]
    proof: Proof = Proof.SIMULATION
    under: Mapping[str, Any] = {}
    """Options of the simulations, where those that are drawn would take hundreds of seeds to bring it out."""

    def plant(self) -> None:
        """From now on this process does wrong."""
        for edit in self.edits:
            edit()


def instead(function: Any, was: str, becomes: str) -> Callable[[], None]:
    """In the text of this function, ``becomes`` stands where ``was`` stood."""
    return partial(_rewrite, inspect.unwrap(function), was, becomes)


def _rewrite(function: FunctionType, was: str, becomes: str) -> None:
    text = _text_of(function)
    if text.count(was) != 1:
        raise LookupError(f"{function.__qualname__} has {text.count(was)} times, not once:\n{was}")
    tree = ast.parse(text.replace(was, becomes))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    definition.decorator_list = []
    flags = __future__.annotations.compiler_flag  # they may name what only its class knows
    code = compile(tree, inspect.getfile(function), "exec", flags=flags, dont_inherit=True)
    made: dict[str, Any] = {}
    exec(code, function.__globals__, made)
    faulty = made[definition.name].__code__
    _TEXTS[function] = text.replace(was, becomes)
    function.__code__ = faulty


_TEXTS: dict[FunctionType, str] = {}
"""Of functions that were rewritten: a fault may do two things to one of them."""


def _text_of(function: FunctionType) -> str:
    return _TEXTS.get(function) or textwrap.dedent(inspect.getsource(function))


def everybody_leads() -> Callable[[], None]:
    """Every worker believes that it leads: no fault, for whatever a leader does must be safe when two do it; but others
    show by it."""
    return instead(Leader.leads.fget, "self._record is not None and self._clock.monotonic() < self._until", "True")


def value(module: ModuleType, name: str, becomes: object) -> Callable[[], None]:
    """This name of a module stands for something else."""
    return partial(setattr, module, name, becomes)


def statement(module: ModuleType, queries: str, name: str, was: str, becomes: str) -> Callable[[], None]:
    """In one statement of the SQL that a module has loaded, ``becomes`` stands where ``was`` stood."""
    return partial(_restate, module, queries, name, was, becomes)


def _restate(module: ModuleType, queries: str, name: str, was: str, becomes: str) -> None:
    loaded = getattr(module, queries)
    if loaded[name].count(was) != 1:
        raise LookupError(f"the statement {name!r} has {loaded[name].count(was)} times, not once:\n{was}")
    setattr(module, queries, {**loaded, name: loaded[name].replace(was, becomes)})
