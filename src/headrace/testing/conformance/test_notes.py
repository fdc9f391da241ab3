"""Notes: what handlers tell of their work, put on the row by patches that change nothing else."""

import pytest
from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.change import APPLIED, STALE, Change, Ended, Held, In, Patch, patched
from headrace.model.job import LOG_LINES, Job, LogLine, Notes, Options
from headrace.model.outcome import Failure
from headrace.model.state import FINAL, RUNNING, State
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, GIVEN_UP, Stage


def _line(number: int, text: str = "") -> LogLine:
    return LogLine(1_000 + number, 1, "INFO", text or f"line {number}")


async def _note(stage: Stage, job: Job, notes: Notes) -> Job:
    """Under the job's own fence; the row then."""
    assert list(await stage.storage.apply([Change(job.id, lifecycle.held(job), Patch(notes=notes))])) == [APPLIED]
    return await stage.job(job.id)


class TestNotes(Family):
    async def test_a_job_begins_without(self, stage: Stage) -> None:
        assert (await stage.job(await stage.enqueue(queue="waits"))).notes is None
        assert (await stage.running()).notes is None

    async def test_progress_is_kept_with_its_time(self, stage: Stage) -> None:
        job = await stage.running()
        stage.clock.advance(2)
        row = await _note(stage, job, Notes(percent=12.5, message="näh 👍"))
        assert row.notes == Notes(12.5, "näh 👍", stage.clock.wall())

    @pytest.mark.parametrize("told", [7, -1])
    async def test_the_storages_clock_says_when(self, stage: Stage, told: int) -> None:
        row = await _note(stage, await stage.running(), Notes(percent=1.0, noted_at=told))
        assert row.notes is not None
        assert row.notes.noted_at == stage.clock.wall()

    async def test_newer_progress_takes_the_place_of_older(self, stage: Stage) -> None:
        job = await stage.running()
        await _note(stage, job, Notes(percent=10.0, message="first"))
        stage.clock.advance(1)
        assert (await _note(stage, job, Notes(percent=20.0))).notes == Notes(20.0, None, stage.clock.wall())
        stage.clock.advance(1)
        assert (await _note(stage, job, Notes(message="x"))).notes == Notes(None, "x", stage.clock.wall())
        assert (await _note(stage, job, Notes(percent=0.0, message=""))).notes == Notes(0.0, "", stage.clock.wall())

    async def test_lines_are_appended_in_order(self, stage: Stage) -> None:
        job = await stage.running()
        lines = tuple(LogLine(-5, number, level, f"é\n\"{number}'") for number, level in enumerate(("DEBUG", "é", "")))
        assert (await _note(stage, job, Notes(lines=lines[:2]))).notes == Notes(lines=lines[:2])
        assert (await _note(stage, job, Notes(lines=lines[2:]))).notes == Notes(lines=lines)

    async def test_lines_alone_keep_the_progress_and_progress_alone_the_lines(self, stage: Stage) -> None:
        job = await stage.running()
        noted_at = stage.clock.wall()
        await _note(stage, job, Notes(percent=10.0, message="m"))
        stage.clock.advance(5)
        row = await _note(stage, job, Notes(lines=(_line(1),)))
        assert row.notes == Notes(10.0, "m", noted_at, (_line(1),))
        row = await _note(stage, job, Notes(percent=11.0))
        assert row.notes == Notes(11.0, None, stage.clock.wall(), (_line(1),))

    async def test_only_the_last_lines_are_kept(self, stage: Stage) -> None:
        job = await stage.running()
        lines = [_line(number) for number in range(LOG_LINES + 30)]
        for start in range(0, len(lines), 26):
            row = await _note(stage, job, Notes(lines=tuple(lines[start : start + 26])))
        assert row.notes == Notes(lines=tuple(lines[-LOG_LINES:]))

    async def test_more_lines_at_once_than_are_kept(self, stage: Stage) -> None:
        lines = tuple(_line(number) for number in range(LOG_LINES + 1))
        row = await _note(stage, await stage.running(), Notes(lines=lines))
        assert row.notes == Notes(lines=lines[1:])

    async def test_long_lines_come_back_whole(self, stage: Stage) -> None:
        lines = tuple(_line(number, "é" * 8_000) for number in range(LOG_LINES))
        assert (await _note(stage, await stage.running(), Notes(lines=lines))).notes == Notes(lines=lines)

    async def test_nothing_else_changes(self, stage: Stage) -> None:
        job = await stage.running(key="k", priority=7, options=Options(retention=5.0), payload='{"a":1}')
        await stage.apply(lifecycle.stamp_alone(job))
        await stage.apply(lifecycle.cancel(job))
        before = await stage.job(job.id)
        assert before.alone
        assert before.cancel_requested
        stage.clock.advance(3)
        row = await _note(stage, job, Notes(percent=50.0, lines=(_line(1),)))
        assert replace(row, notes=None) == before
        assert (await stage.insert(key="k")).id == job.id
        assert await stage.number(State.RUNNING) == 1

    async def test_on_a_job_of_any_state(self, stage: Stage) -> None:
        rows = [
            await stage.job(await stage.enqueue(queue="a", delay=5.0, key="k")),
            await stage.job(await stage.enqueue(queue="b")),
            await stage.settle(await stage.running(queue="c"), FAILED),
            await stage.finished(queue="d"),
            await stage.dead(queue="e"),
        ]
        counts, due = await stage.storage.count(), await stage.storage.next_due(["a"])
        stage.clock.advance(1)
        for row in rows:
            change = Change(row.id, In(frozenset(State)), Patch(notes=Notes(percent=1.0)))
            assert list(await stage.storage.apply([change])) == [APPLIED]
            assert replace(await stage.job(row.id), notes=None) == row
        assert await stage.storage.count() == counts
        assert await stage.storage.next_due(["a"]) == (due or 0) - 1
        assert [job.id for job in await stage.claim(queue="b")] == [rows[1].id]

    async def test_where_the_guard_fails_nothing_is_noted(self, stage: Stage) -> None:
        job = await stage.running()
        patch = Patch(notes=Notes(percent=1.0, lines=(_line(1),)))
        for guard in (Held("w", 2), Held("other", 1), Held("w", 0), In(FINAL)):
            assert list(await stage.storage.apply([Change(job.id, guard, patch)])) == [STALE]
        assert await stage.job(job.id) == job
        await stage.settle(job)
        assert list(await stage.storage.apply([Change(job.id, lifecycle.held(job), patch)])) == [STALE]
        assert (await stage.job(job.id)).notes is None

    async def test_of_an_old_holder_nothing_is_noted(self, stage: Stage) -> None:
        job = await stage.abandoned()
        await stage.beat("rescuer")
        (taken,) = await stage.storage.reclaim("rescuer", 10)
        change = Change(job.id, lifecycle.held(job), Patch(notes=Notes(percent=99.0)))
        assert list(await stage.storage.apply([change])) == [STALE]
        assert await stage.job(job.id) == taken

    @pytest.mark.parametrize(
        "patch",
        [
            Patch(State.COMPLETED, result="1", release_key=True),
            Patch(State.COMPLETED, release_key=True),
            Patch(State.DEAD, ended=Ended("failed", Failure("E", "no")), reason="exhausted", release_key=True),
            Patch(State.RETRYING, delay=5.0, ended=Ended("failed", Failure("E", "no")), reason="failed"),
            Patch(State.PENDING, attempt=-1, reason="interrupted"),
        ],
    )
    async def test_with_a_change_of_state(self, stage: Stage, patch: Patch) -> None:
        job = await stage.running(key="k")
        row = await _note(stage, job, Notes(percent=10.0, message="m", lines=(_line(1),)))
        stage.clock.advance(2)
        patch = replace(patch, notes=Notes(percent=100.0, lines=(_line(2), _line(3))))
        assert list(await stage.storage.apply([Change(job.id, lifecycle.held(job), patch)])) == [APPLIED]
        after = await stage.job(job.id)
        assert after == patched(row, patch, stage.clock.wall())
        assert after.notes == Notes(100.0, None, stage.clock.wall(), (_line(1), _line(2), _line(3)))

    async def test_they_stay_through_all_that_comes(self, stage: Stage) -> None:
        notes = (await _note(stage, job := await stage.running(), Notes(percent=10.0, lines=(_line(1),)))).notes
        assert notes is not None
        assert (await stage.settle(job, FAILED)).notes == notes
        stage.clock.advance(60)
        (job,) = await stage.claim()
        assert job.notes == notes
        await stage.beat("w", ttl=0)
        await stage.beat("rescuer")
        (taken,) = await stage.storage.reclaim("rescuer", 10)
        assert taken.notes == notes
        await stage.apply(lifecycle.lapse(taken, 0.5))
        stage.clock.advance(60)
        (job,) = await stage.claim()
        assert (await stage.settle(job)).notes == notes

    async def test_an_operators_retry_keeps_them(self, stage: Stage) -> None:
        job = await stage.running()
        notes = (await _note(stage, job, Notes(percent=10.0, lines=(_line(1),)))).notes
        dead = await stage.settle(job, GIVEN_UP)
        await stage.apply(lifecycle.retry(dead))
        assert (await stage.job(job.id)).notes == notes

    async def test_of_many_jobs_and_many_times_in_one_commit(self, stage: Stage) -> None:
        await stage.storage.insert([stage.new() for _ in range(120)])
        jobs = await stage.claim(limit=120)
        changes = [
            Change(job.id, lifecycle.held(job), Patch(notes=Notes(percent=float(number), lines=(_line(number),))))
            for number in range(3)
            for job in jobs
        ]
        assert list(await stage.storage.apply(changes)) == [APPLIED] * 360
        expected = Notes(2.0, None, stage.clock.wall(), (_line(0), _line(1), _line(2)))
        assert {(await stage.job(job.id)).notes for job in jobs} == {expected}

    async def test_noted_and_completed_in_one_commit(self, stage: Stage) -> None:
        first, second = await stage.running(), await stage.running()
        changes = [
            Change(first.id, lifecycle.held(first), Patch(notes=Notes(percent=1.0))),
            Change(second.id, lifecycle.held(second), Patch(State.COMPLETED)),
            Change(first.id, lifecycle.held(first), Patch(State.COMPLETED)),
            Change(second.id, In(RUNNING), Patch(notes=Notes(percent=1.0))),
        ]
        assert list(await stage.storage.apply(changes)) == [APPLIED, APPLIED, APPLIED, STALE]
        rows = [await stage.job(job.id) for job in (first, second)]
        assert [row.state for row in rows] == [State.COMPLETED] * 2
        assert [row.notes for row in rows] == [Notes(1.0, None, stage.clock.wall()), None]
