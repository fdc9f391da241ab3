"""Progress and log lines: gathered in memory, written off the path of handlers, never lost and never from a stale one.

In virtual time.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from stand import Stand, settle_loop

from headrace import RetryPolicy, Snooze, State, current
from headrace.model.change import Change
from headrace.model.errors import InvalidOption, StoreBusy
from headrace.model.job import LOG_LINES, Job
from headrace.runtime.notebook import PAUSE

pytestmark = pytest.mark.anyio


def watch(storage: Any) -> list[list[Change]]:
    """A list that fills with the changes of each call of ``apply``."""
    seen: list[list[Change]] = []
    real = storage.apply

    async def apply(changes: Sequence[Change]) -> Any:
        seen.append(list(changes))
        return await real(changes)

    storage.apply = apply
    return seen


def texts(job: Job) -> list[str]:
    return [] if job.notes is None else [line.text for line in job.notes.lines]


async def test_a_running_job_tells_half_a_second_later_and_in_one_write(stand: Stand) -> None:
    @stand.app.task
    async def works() -> None:
        for percent in range(0, 100, 10):
            current().progress(percent, f"step {percent}")
            current().log.info("at %d", percent)
            await stand.pass_time(0.01)
        await stand.pass_time(100)

    writes = watch(await stand.storage())
    receipt = await works.aenqueue()
    async with stand.app.worker():
        await stand.pass_time(PAUSE - 0.05)
        assert (await stand.job(receipt)).notes is None
        await stand.pass_time(0.1)
        told = await stand.job(receipt)
        assert told.state is State.RUNNING
        assert told.notes is not None
        assert (told.notes.percent, told.notes.message) == (90.0, "step 90")
        assert texts(told) == [f"at {percent}" for percent in range(0, 100, 10)]
        assert told.notes.lines[0].level == "info"
        assert told.notes.lines[0].attempt == 1
        assert len(writes) == 1
        job = await stand.app.ajoin(receipt, "1h")
    assert job.notes == told.notes
    assert len(writes) == 2


async def test_notes_of_many_jobs_go_into_one_write(stand: Stand) -> None:
    @stand.app.task
    async def works(number: int) -> None:
        current().progress(number)
        await stand.pass_time(10)

    writes = watch(await stand.storage())
    receipts = [await works.aenqueue(number) for number in range(50)]
    async with stand.app.worker({"default": 50}):
        await stand.pass_time(1)
        notes = [(await stand.job(receipt)).notes for receipt in receipts]
    assert [note.percent for note in notes if note is not None] == [float(number) for number in range(50)]
    assert len(writes[0]) == 50


async def fails_afterwards() -> None:
    current().log.info("told")
    raise ValueError("no")


async def snoozes_afterwards() -> None:
    current().log.info("told")
    raise Snooze("1h")


async def returns_afterwards() -> str:
    current().log.info("told")
    return "done"


async def waits_afterwards() -> None:
    current().log.info("told")
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(
    ("handler", "state"),
    [
        (returns_afterwards, State.COMPLETED),
        (fails_afterwards, State.RETRYING),
        (snoozes_afterwards, State.SCHEDULED),
        (waits_afterwards, State.PENDING),
    ],
)
async def test_what_is_not_written_yet_rides_on_what_settles_the_attempt(
    stand: Stand, handler: Callable[[], Any], state: State
) -> None:
    task = stand.app.task(name="tells", retry=RetryPolicy.fixed(3, "1h"))(handler)
    writes = watch(await stand.storage())
    receipt = await task.aenqueue()
    async with stand.app.worker() as worker:
        await settle_loop()
        worker.hurry()
    job = await stand.job(receipt)
    assert (job.state, texts(job)) == (state, ["told"])
    assert [len(changes) for changes in writes] == [1]


async def test_a_plain_function_tells_as_well(stand: Stand) -> None:
    @stand.app.task
    def works() -> None:
        current().progress(50)
        current().log.warning("careful")

    job = await stand.final(await works.aenqueue())
    assert job.notes is not None
    assert job.notes.percent == 50
    assert [(line.level, line.text) for line in job.notes.lines] == [("warning", "careful")]


async def test_jobs_that_tell_nothing_cost_no_write_and_leave_no_page(stand: Stand) -> None:
    @stand.app.task
    async def silent() -> None: ...

    writes = watch(await stand.storage())
    receipts = [await silent.aenqueue() for _ in range(3)]
    async with stand.app.worker({"default": 1}) as worker:
        for receipt in receipts:
            assert (await stand.app.ajoin(receipt, 10)).notes is None
        await stand.pass_time(5)
        assert worker._notebook.pages == {}
    assert sum(map(len, writes)) == 3


async def test_nothing_is_left_of_jobs_that_told(stand: Stand) -> None:
    @stand.app.task
    async def works() -> None:
        current().progress(50)
        current().then(kv={"a": 1})
        await stand.pass_time(5)
        current().progress(60)

    async with stand.app.worker() as worker:
        await stand.app.ajoin(await works.aenqueue(), 10)
        assert worker._notebook.pages == {}


async def test_each_attempt_adds_to_the_log(stand: Stand) -> None:
    @stand.app.task(retry=RetryPolicy.fixed(3, 1))
    async def fails() -> None:
        current().log.info("attempt %d", current().attempt)
        raise ValueError

    job = await stand.final(await fails.aenqueue())
    assert job.notes is not None
    assert [(line.attempt, line.text) for line in job.notes.lines] == [(n, f"attempt {n}") for n in (1, 2, 3)]


async def test_what_a_stale_attempt_tells_is_refused(stand: Stand) -> None:
    started = asyncio.Event()
    finish = asyncio.Event()

    @stand.app.task
    async def works() -> None:
        if current().fence == 1:
            started.set()
            await finish.wait()
            current().progress(99, "stale")
            current().log.info("stale")
            await stand.pass_time(5)
        current().progress(100, "fresh")

    receipt = await works.aenqueue()
    async with stand.zombie():
        await started.wait()
        await stand.pass_time(31)
        async with stand.app.worker():
            assert (await stand.app.ajoin(receipt, "5m")).state is State.COMPLETED
        finish.set()
        await stand.pass_time(10)
    job = await stand.job(receipt)
    assert job.notes is not None
    assert (job.notes.percent, job.notes.message, texts(job)) == (100.0, "fresh", [])


async def test_a_lost_attempt_leaves_nothing_behind(stand: Stand) -> None:
    @stand.app.task
    async def works() -> None:
        current().then(kv={"a": 1})
        await stand.pass_time(1000)

    receipt = await works.aenqueue()
    async with stand.app.worker() as worker:
        await stand.pass_time(1)
        storage = await stand.storage()
        await storage.beat(worker.id, [], 0)
        await storage.beat("rescuer", [], 30)
        await storage.reclaim("rescuer", 10)
        await stand.pass_time(15)
        assert worker._notebook.pages == {}
    assert await stand.app.akv_get("a") is None
    assert (await stand.job(receipt)).state is not State.COMPLETED


async def test_lines_on_their_way_when_the_handler_ends_are_kept_once(stand: Stand) -> None:
    storage = await stand.storage()
    real, release = storage.apply, asyncio.Event()

    async def slowly(changes: Sequence[Change]) -> Any:
        if changes[0].patch.state is None:
            await release.wait()
        return await real(changes)

    storage.apply = slowly

    @stand.app.task
    async def works() -> str:
        current().log.info("first")
        await stand.pass_time(PAUSE + 0.1)
        current().log.info("second")
        return "done"

    receipt = await works.aenqueue()
    async with stand.app.worker():
        await stand.pass_time(2)
        assert (await stand.job(receipt)).state is State.RUNNING
        release.set()
        job = await stand.app.ajoin(receipt, 1)
    assert (job.state, texts(job)) == (State.COMPLETED, ["first", "second"])


async def test_a_write_that_fails_loses_nothing(stand: Stand) -> None:
    storage = await stand.storage()
    real = storage.apply
    refused: list[int] = []

    async def refuse_notes(changes: Sequence[Change]) -> Any:
        if changes[0].patch.state is None:
            refused.append(len(changes))
            raise StoreBusy("jobs.db", 10)
        return await real(changes)

    storage.apply = refuse_notes

    @stand.app.task
    async def works() -> None:
        for number in range(5):
            current().progress(number)
            current().log.info("%d", number)
            await stand.pass_time(1)

    job = await stand.final(await works.aenqueue())
    assert texts(job) == ["0", "1", "2", "3", "4"]
    assert job.notes is not None
    assert job.notes.percent == 4
    assert len(refused) == len(stand.reported(StoreBusy)) >= 3


async def test_while_a_stopping_worker_lets_jobs_finish_they_still_tell(stand: Stand) -> None:
    @stand.app.task
    async def works() -> None:
        await stand.pass_time(5)
        current().progress(50)
        await stand.pass_time(5)

    receipt = await works.aenqueue()
    async with stand.app.worker() as worker:
        await stand.pass_time(1)
        stopping = asyncio.ensure_future(worker.stop())
        await stand.pass_time(6)
        notes = (await stand.job(receipt)).notes
        assert notes is not None
        assert notes.percent == 50
        await stopping
    assert (await stand.job(receipt)).state is State.COMPLETED


async def test_the_log_is_bounded_and_its_lines_are_cut(stand: Stand) -> None:
    @stand.app.task
    async def chatters() -> None:
        for number in range(10_000):
            current().log.info("%d", number)
        current().log.info("x" * 10_000)

    job = await stand.final(await chatters.aenqueue())
    lines = texts(job)
    assert len(lines) == LOG_LINES
    assert lines[:2] == [str(10_000 - LOG_LINES + 1), str(10_000 - LOG_LINES + 2)]
    assert lines[-1].endswith("… (cut)")
    assert len(lines[-1].encode()) == 1024


@pytest.mark.parametrize("percent", [-1, 101, float("nan"), True, "50"])
async def test_progress_that_means_nothing_is_refused_at_the_handler(stand: Stand, percent: Any) -> None:
    refused: list[Exception] = []

    @stand.app.task
    async def works() -> None:
        try:
            current().progress(percent)
        except InvalidOption as error:
            refused.append(error)

    assert (await stand.final(await works.aenqueue())).notes is None
    assert len(refused) == 1


async def test_what_is_told_after_the_end_is_not_kept(stand: Stand) -> None:
    left: list[asyncio.Task[None]] = []

    @stand.app.task
    async def works() -> None:
        job = current()

        async def later() -> None:
            await stand.pass_time(5)
            job.progress(99)
            job.log.info("too late")

        left.append(asyncio.ensure_future(later()))

    async with stand.app.worker() as worker:
        receipt = await works.aenqueue()
        await stand.app.ajoin(receipt, 1)
        await left[0]
        assert worker._notebook.pages == {}
        await stand.pass_time(5)
    assert (await stand.job(receipt)).notes is None


# --- the logger -------------------------------------------------------------------------------------------------------


async def test_the_log_is_a_logger_whose_lines_also_go_to_the_programs_logging(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "headrace.job")

    @stand.app.task(name="chatty")
    async def chatty() -> None:
        log = current().log
        log.debug("for nobody")
        log.info("read %d of %s", 3, "a file", extra={"mine": 1})
        log.log(logging.ERROR, "%(a)s", {"a": "mapped"})
        try:
            raise KeyError("root")
        except KeyError:
            log.exception("went wrong")
        log.warning("no exception", exc_info=True)

    job = await stand.final(await chatty.aenqueue())
    assert job.notes is not None
    assert [(line.level, line.text) for line in job.notes.lines] == [
        ("info", "read 3 of a file"),
        ("error", "mapped"),
        ("error", "went wrong: 'root'"),
        ("warning", "no exception"),
    ]
    records = [record for record in caplog.records if record.name == "headrace.job"]
    assert [record.getMessage() for record in records] == [
        "for nobody",
        "read 3 of a file",
        "mapped",
        "went wrong",
        "no exception",
    ]
    assert {record.funcName for record in records} == {"chatty"}
    assert {vars(record)["job_id"] for record in records} == {job.id}
    assert {vars(record)["task"] for record in records} == {"chatty"}
    assert vars(records[1])["mine"] == 1


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


async def test_a_line_whose_arguments_dont_fit_costs_its_form_and_not_the_job(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    @stand.app.task
    async def works() -> None:
        current().log.info("%d of %d", 1)
        current().log.info("%s", Unspeakable())
        current().log.info(Unspeakable())

    job = await stand.final(await works.aenqueue())
    assert job.state is State.COMPLETED
    assert texts(job) == ["'%d of %d' (1)", "'%s' (<Unspeakable object>)", "<Unspeakable object> ()"]
