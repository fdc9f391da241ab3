"""Plain completions of many jobs are one statement; whatever else a change asks for is decided row by row."""

from collections.abc import Sequence

import pytest

from headrace.model import lifecycle
from headrace.model.change import APPLIED, STALE, Change, Held, Patch
from headrace.model.job import Job, LogLine, Notes, Options
from headrace.model.outcome import Raised, Returned, Stopped
from headrace.model.record import Put
from headrace.model.state import State
from headrace.storage.sqlite import applying
from headrace.storage.sqlite.transaction import Transaction
from headrace.testing.conformance.stage import FAILED, PLAIN, Stage

pytestmark = pytest.mark.anyio


@pytest.fixture
def rewritten(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of jobs whose rows were written back whole."""
    ids: list[str] = []
    rewrite = applying.rewrite

    def watched(transaction: Transaction, jobs: Sequence[Job]) -> None:
        ids.extend(job.id for job in jobs)
        rewrite(transaction, jobs)

    monkeypatch.setattr(applying, "rewrite", watched)
    return ids


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"key": "k"},
        {"options": Options(retention=5.0)},
        {"options": Options(retention={"completed": 5.0, "dead": 9.0})},
        {"options": Options(retention={"dead": 9.0})},
    ],
)
@pytest.mark.parametrize("outcome", [Returned(), Returned(b"1"), Returned(None, "too large")])
async def test_a_plain_completion(
    stage: Stage, rewritten: list[str], fields: dict[str, object], outcome: Returned
) -> None:
    job = await stage.running(**fields)
    assert (await stage.settle(job, outcome)).state is State.COMPLETED
    assert rewritten == []


async def test_many_of_them_beside_some_that_are_not(stage: Stage, rewritten: list[str]) -> None:
    await stage.storage.insert([stage.new() for _ in range(100)])
    jobs = await stage.claim()
    outcomes = [FAILED if number % 25 == 3 else Returned() for number in range(100)]
    changes = [lifecycle.settle(job, outcome, PLAIN, 0.5) for job, outcome in zip(jobs, outcomes, strict=True)]
    assert await stage.storage.apply(changes) == [APPLIED] * 100
    assert rewritten == [jobs[number].id for number in (3, 28, 53, 78)]


@pytest.mark.parametrize("outcome", [FAILED, Raised(FAILED.failure, final=True), Stopped("enough")])
async def test_an_attempt_that_did_not_complete(stage: Stage, rewritten: list[str], outcome: Raised | Stopped) -> None:
    job = await stage.running()
    await stage.settle(job, outcome)
    assert rewritten == [job.id]


@pytest.mark.parametrize("notes", [Notes(percent=100.0), Notes(lines=(LogLine(1, 1, "INFO", "done"),))])
async def test_a_completion_with_notes(stage: Stage, rewritten: list[str], notes: Notes) -> None:
    job = await stage.running()
    patch = Patch(State.COMPLETED, release_key=True, notes=notes)
    assert await stage.storage.apply([Change(job.id, lifecycle.held(job), patch)]) == [APPLIED]
    assert rewritten == [job.id]


async def test_a_completion_with_puts(stage: Stage, rewritten: list[str]) -> None:
    job = await stage.running()
    change = Change(job.id, Held("w", 1), Patch(State.COMPLETED), (), (Put("kv", "a", "1"),))
    assert await stage.storage.apply([change]) == [APPLIED]
    assert rewritten == [job.id]


async def test_one_stale_among_them_takes_no_other_along(stage: Stage) -> None:
    await stage.storage.insert([stage.new() for _ in range(10)])
    jobs = await stage.claim()
    changes = [Change(job.id, Held("w", 1 + (number == 4)), Patch(State.COMPLETED)) for number, job in enumerate(jobs)]
    assert await stage.storage.apply(changes) == [APPLIED] * 4 + [STALE] + [APPLIED] * 5
