"""Every call of a storage fails once, in every way: nothing is lost, doubled or silent afterwards."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

import pytest
from forty_operations import run_script

from headrace.model.errors import AnswerLost, EnqueueUnknown, StoreBusy, StoreFull, StoreUnreachable
from headrace.runtime.rescuer import Rescuer
from headrace.runtime.strays import Strays
from headrace.storage.contract import Storage
from headrace.testing.clock import VirtualLoop
from headrace.testing.failing import Fault, Faults


def lost(operation: str) -> Exception:
    """What a storage raises where its answer got lost."""
    return EnqueueUnknown([], "cut off") if operation == "insert" else AnswerLost("the store", "cut off")


CLASSES: Mapping[str, tuple[Callable[[str], Exception], bool]] = {
    "busy": (lambda _: StoreBusy("the store", 10), False),
    "full": (lambda _: StoreFull("the store"), False),
    "unreachable": (lambda _: StoreUnreachable("the store", "no route"), False),
    "lost": (lost, True),
    "bug before": (lambda _: RuntimeError("unforeseen"), False),
    "bug after": (lambda _: OSError("unforeseen"), True),
}
"""What the failing call raises, by its operation, and whether it was applied even so."""
EACH = [(kind,) for kind in CLASSES]
CHOSEN = EACH if os.environ.get("HEADRACE_EVERY_CLASS") else [("lost",), tuple(CLASSES)]
"""The classes that the calls of one test meet by turns. Every class at every call: ``make explore``."""
UNASKED = {"capabilities", "close", "listen", "sibling"}
"""What of a storage never fails."""
OF_MOVES = {"dump", "load", "mark", "marked"}
"""Each call of a move fails in ``test_moving.py``."""


async def once(number: int, kind: str, operations: Sequence[str]) -> tuple[int, Sequence[str], Sequence[str]]:
    """The script with call ``number`` failing: how many calls it made, their names, what was wrong."""
    make, applied = CLASSES[kind]
    raised: list[Exception] = []

    def error() -> Exception:
        raised.append(make(operations[number - 1]))
        return raised[-1]

    faults = Faults()
    if number:
        faults.fail_call(number, Fault(error, applied=applied))
    script, wrong = await run_script(faults, definite=not applied, raised=raised)
    return script.calls, faults.calls, wrong


def run_once(number: int, kind: str, operations: Sequence[str]) -> tuple[int, Sequence[str], Sequence[str]]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(once(number, kind, operations))


@pytest.fixture(scope="module")
def operations() -> Sequence[str]:
    """What the script asks of its storage, call by call, when nothing fails."""
    total, calls, wrong = run_once(0, "busy", [])
    assert not wrong, "the script is wrong by itself"
    assert {name for name in vars(Storage) if not name.startswith("_")} - UNASKED - OF_MOVES <= {*calls[:total]}
    return calls[:total]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kinds", CHOSEN, ids=lambda kinds: kinds[0] if len(kinds) == 1 else "by turns")
def test_nothing_is_lost_doubled_or_silent_whichever_call_fails(
    operations: Sequence[str], kinds: Sequence[str]
) -> None:
    failures: list[str] = []
    for number, operation in enumerate(operations, 1):
        kind = kinds[number % len(kinds)]
        _, calls, wrong = run_once(number, kind, operations)
        assert calls[number - 1] == operation, "the same script makes the same calls"
        if wrong:
            failures.append(f"call {number} ({operation}, {kind}): " + "; ".join(wrong))
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize(
    ("operation", "plant"), [("claim", (Strays, "suspect")), ("reclaim", (Rescuer, "_settle_strays"))]
)
def test_it_catches_a_worker_that_does_not_look_for_what_it_was_given(
    operations: Sequence[str], monkeypatch: pytest.MonkeyPatch, operation: str, plant: tuple[type, str]
) -> None:
    async def nothing(_: object) -> int:
        return 0

    monkeypatch.setattr(*plant, nothing if operation == "reclaim" else lambda _: None)
    numbers = [number for number, name in enumerate(operations, 1) if name == operation]
    assert any(run_once(number, "lost", operations)[2] for number in numbers)
