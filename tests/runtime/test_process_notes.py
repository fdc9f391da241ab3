"""What handlers in processes tell, and what shall follow them. Waits are for events and joins, with deadlines."""

import logging
from pathlib import Path

import process_tasks
import pytest

from headrace import Headrace, Job, State
from headrace.model.job import Notes

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def texts(job: Job) -> list[str]:
    return [line.text for line in (job.notes or Notes()).lines]


async def following(app: Headrace) -> list[tuple[str, State]]:
    return sorted((job.payload, job.state) for job in await app.ajobs(queue="nobody"))


async def test_what_a_process_tells_is_there_while_it_runs(
    processes: Headrace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "headrace.job")
    gate = tmp_path / "gate"
    receipt = await process_tasks.tells.aenqueue(str(gate))
    job = None
    for _ in range(1000):
        job = await processes.ajob(receipt)
        if job is not None and job.notes is not None and job.notes.lines:
            break
        await processes.clock.sleep(0.01)
    assert job is not None
    assert job.notes is not None
    assert job.state is State.RUNNING
    assert (job.notes.percent, job.notes.message) == (30.0, "step 30")
    assert texts(job) == ["careful: fragile"]
    assert await following(processes) == []
    gate.touch()
    assert await processes.aresult(receipt, 20) == "told"
    done = await processes.ajob(receipt)
    assert done is not None
    assert texts(done) == ["careful: fragile", "on"]
    assert await following(processes) == [('{"number":1}', State.PENDING), ('{"number":2}', State.SCHEDULED)]
    assert await processes.akv_get("at") == [7]
    assert await processes.akv_get("raw") == b"\x00"
    records = [record for record in caplog.records if record.name == "headrace.job"]
    assert [(record.levelname, record.getMessage()) for record in records] == [
        ("WARNING", "careful: fragile"),
        ("INFO", "on"),
    ]
    assert {vars(record)["job_id"] for record in records} == {receipt.id}


@pytest.mark.parametrize("end", ["raise", "die", "hang"])
async def test_a_process_that_does_not_complete_its_job_takes_nothing_along_and_its_lines_stay(
    processes: Headrace, end: str
) -> None:
    await processes.aresult(await process_tasks.double.aenqueue(1), 20)  # the child is up
    receipt = await process_tasks.tells_and.using(timeout=2 if end == "hang" else 60).aenqueue(end)
    while (job := await processes.ajob(receipt)) is None or not job.history:
        await processes.clock.sleep(0.01)
    await processes.acancel(receipt)
    assert job.history[0].outcome == {"raise": "failed", "die": "crashed", "hang": "timeout"}[end]
    assert texts(job) == ["before"]
    assert await following(processes) == []
    assert await processes.akv_get("a") is None


async def test_a_thread_that_a_process_handler_left_behind_is_not_heard_any_more(processes: Headrace) -> None:
    receipt = await process_tasks.tells_and.aenqueue("too late")
    first = await processes.ajoin(receipt, 20)
    assert first.state is State.COMPLETED
    others = [await process_tasks.double.aenqueue(n) for n in range(20)]
    assert [(await processes.aresult(other, 20))[0] for other in others] == [n * 2 for n in range(20)]
    assert [job.notes for other in others if (job := await processes.ajob(other)) is not None] == [None] * 20
