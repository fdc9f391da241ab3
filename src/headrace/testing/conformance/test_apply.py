"""Apply: guards, verdicts, what a patch does, and what exists if and only if it was applied."""

from collections.abc import Callable

import pytest

from headrace.model import lifecycle
from headrace.model.change import (
    APPLIED,
    MISSING,
    STALE,
    Change,
    Ended,
    Held,
    In,
    Patch,
    Status,
    patched,
)
from headrace.model.job import Job
from headrace.model.outcome import Failure, Outcome, Raised, Refused, Returned, Snoozed, Stopped
from headrace.model.record import Expect, Put
from headrace.model.state import FINAL, RUNNING, WAITING, State
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, PLAIN, Stage

OUTCOMES: dict[str, Outcome] = {
    "returned_none": Returned(),
    "returned_value": Returned(b'{"a":"\xc3\xa9\xf0\x9f\x91\x8d"}'),
    "returned_falsy": Returned(b"0"),
    "result_refused": Returned(None, "not JSON: é"),
    "raised": Raised(Failure("ValueError", "näh", "Traceback\n  …\n")),
    "timed_out": Raised(Failure("Timeout", "after 3 s")),
    "raised_for_good": Raised(Failure("ValueError", "no"), final=True),
    "refused": Refused(Failure("PermanentFailure", "never")),
    "snoozed": Snoozed(12.5),
    "throttled": Snoozed(3.25, "throttled"),
    "stopped": Stopped("enough"),
}
ORDERS: dict[str, Callable[[Job], Change]] = {
    "settle": lambda job: lifecycle.settle(job, Returned(b"1"), PLAIN, 0.5),
    "fail": lambda job: lifecycle.settle(job, FAILED, PLAIN, 0.5),
    "hand_back": lifecycle.hand_back,
    "park": lifecycle.park,
    "lapse": lambda job: lifecycle.lapse(job, 0.5),
    "stamp_alone": lifecycle.stamp_alone,
    "drop": lifecycle.drop,
}


class TestPatches(Family):
    @pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES.keys())
    async def test_every_outcome_makes_the_row_that_the_model_says(self, stage: Stage, outcome: Outcome) -> None:
        job = await stage.running(key="k")
        stage.clock.advance(2)
        change = lifecycle.settle(job, outcome, PLAIN, 0.5)
        assert list(await stage.storage.apply([change])) == [APPLIED]
        assert await stage.job(job.id) == patched(job, change.patch, stage.clock.wall())

    @pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
    async def test_every_order_makes_the_row_that_the_model_says(
        self, stage: Stage, order: Callable[[Job], Change]
    ) -> None:
        job = await stage.running()
        stage.clock.advance(2)
        change = order(job)
        assert list(await stage.storage.apply([change])) == [APPLIED]
        assert await stage.job(job.id) == patched(job, change.patch, stage.clock.wall())

    @pytest.mark.parametrize(
        "patch",
        [
            Patch(),
            Patch(delay=5.0),
            Patch(State.SCHEDULED, delay=0.001, attempt=-1, crashes=2, reason="é"),
            Patch(State.DEAD, ended=Ended("crashed", Failure("Crash", "x", "y")), reason="poison"),
            Patch(State.COMPLETED, result="[null]", result_error="both"),
            Patch(State.PENDING, reset=True, delay=0.0),
            Patch(alone=True, cancel_requested=True, parked=True),
            Patch(State.CANCELLED, reason="cancelled", release_key=True),
        ],
    )
    async def test_every_field_of_a_patch(self, stage: Stage, patch: Patch) -> None:
        job = await stage.running(key="k")
        change = Change(job.id, lifecycle.held(job), patch)
        assert list(await stage.storage.apply([change])) == [APPLIED]
        assert await stage.job(job.id) == patched(job, patch, stage.clock.wall())

    @pytest.mark.parametrize("delay", [0.0, 2.0, 60.0])
    async def test_another_due_time_while_it_waits(self, stage: Stage, delay: float) -> None:
        job_id = await stage.enqueue(delay=10.0)
        assert await stage.apply(Change(job_id, In(WAITING), Patch(delay=delay))) is Status.APPLIED
        assert await stage.storage.next_due(["q"]) == delay
        if delay:
            stage.clock.advance(delay - 0.001)
            assert list(await stage.claim()) == []
            stage.clock.advance(0.001)
        assert [job.id for job in await stage.claim()] == [job_id]

    async def test_a_dead_job_retried_has_new_budgets(self, stage: Stage) -> None:
        dead = await stage.dead()
        stage.clock.advance(60)
        change = lifecycle.retry(dead)
        assert await stage.apply(change) is Status.APPLIED
        assert change is not None
        row = await stage.job(dead.id)
        assert row == patched(dead, change.patch, stage.clock.wall())
        assert (row.state, row.attempt, row.finished_at) == (State.PENDING, 0, None)
        assert len(row.history) == 1

    async def test_history_comes_back_exactly_and_bounded(self, stage: Stage) -> None:
        job = await stage.running()
        expected = job
        for number in range(25):
            ended = Ended("failed", Failure("E", f"{number} é\n", "trace\\"))
            patch = Patch(State.PENDING, ended=ended)
            expected = patched(expected, patch, stage.clock.wall())
            assert await stage.apply(Change(job.id, lifecycle.held(job), patch)) is Status.APPLIED
            assert await stage.job(job.id) == expected
            (job,) = await stage.claim()
            expected = job
        assert len(expected.history) == 20


class TestGuards(Family):
    @pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
    @pytest.mark.parametrize(("worker", "off"), [("w", 1), ("w", -1), ("other", 0), ("", 0)])
    async def test_the_fence_holds_against_every_order(
        self, stage: Stage, order: Callable[[Job], Change], worker: str, off: int
    ) -> None:
        job = await stage.running(key="k")
        change = order(job)
        stale = Change(job.id, Held(worker, job.generation + off), change.patch, (stage.new(),), (Put("kv", "a", "1"),))
        assert list(await stage.storage.apply([stale])) == [STALE]
        assert await stage.job(job.id) == job
        assert await stage.ids() == [job.id]
        assert list(await stage.storage.records("kv")) == []
        assert (await stage.insert(key="k")).duplicate

    @pytest.mark.parametrize(("worker", "off"), [("w", -1), ("w", 1), ("v", 0)])
    async def test_the_fence_holds_among_many_completions(self, stage: Stage, worker: str, off: int) -> None:
        """Plain completions: a storage may do all of them together, in a way of its own."""
        jobs = [await stage.running(key=key) for key in "abc"]
        changes = [lifecycle.complete(job, Returned(b"1")) for job in jobs]
        changes[1] = Change(jobs[1].id, Held(worker, jobs[1].generation + off), changes[1].patch)
        assert list(await stage.storage.apply([changes[1]])) == [STALE]
        assert list(await stage.storage.apply(changes)) == [APPLIED, STALE, APPLIED]
        assert await stage.job(jobs[1].id) == jobs[1]
        assert (await stage.insert(key="b")).duplicate
        assert await stage.number(State.COMPLETED) == 2

    @pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
    async def test_the_fence_holds_once_it_no_longer_runs(self, stage: Stage, order: Callable[[Job], Change]) -> None:
        job = await stage.running()
        row = await stage.settle(job)
        assert list(await stage.storage.apply([order(job)])) == [STALE]
        assert await stage.job(job.id) == row

    @pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
    async def test_a_missing_job(self, stage: Stage, order: Callable[[Job], Change]) -> None:
        job = await stage.settle(await stage.running())
        await stage.storage.delete([job.id])
        change = order(job)
        change = Change(change.job_id, change.guard, change.patch, (stage.new(),), (Put("kv", "a", "1"),))
        assert list(await stage.storage.apply([change])) == [MISSING]
        assert await stage.ids() == []
        assert list(await stage.storage.records("kv")) == []

    @pytest.mark.parametrize("wanted", list(State))
    async def test_states_that_pass(self, stage: Stage, wanted: State) -> None:
        rows = {
            State.SCHEDULED: await stage.enqueue(queue="a", delay=5.0),
            State.PENDING: await stage.enqueue(queue="b"),
            State.RUNNING: (await stage.running(queue="c")).id,
            State.RETRYING: (await stage.settle(await stage.running(queue="d"), FAILED)).id,
            State.COMPLETED: (await stage.finished(queue="e")).id,
            State.DEAD: (await stage.dead(queue="f")).id,
            State.CANCELLED: (await stage.settle(await stage.running(queue="g"), Stopped("x"))).id,
        }
        for state, job_id in rows.items():
            verdicts = await stage.storage.apply([Change(job_id, In(frozenset({wanted})), Patch(delay=9.0))])
            assert list(verdicts) == [APPLIED if state is wanted else STALE]
        for kind in (WAITING, RUNNING, FINAL):
            for state, job_id in rows.items():
                verdicts = await stage.storage.apply([Change(job_id, In(kind), Patch())])
                assert list(verdicts) == [APPLIED if state in kind else STALE]

    async def test_a_cancelled_waiting_job_never_starts(self, stage: Stage) -> None:
        for delay in (0.0, 5.0):
            job = await stage.job(await stage.enqueue(delay=delay))
            assert await stage.apply(lifecycle.cancel(job)) is Status.APPLIED
        retrying = await stage.settle(await stage.running(), FAILED)
        assert await stage.apply(lifecycle.cancel(retrying)) is Status.APPLIED
        stage.clock.advance(60)
        assert list(await stage.claim()) == []
        assert await stage.number(State.CANCELLED) == 3

    async def test_a_cancel_that_comes_too_late_is_stale(self, stage: Stage) -> None:
        waiting = await stage.job(await stage.enqueue())
        await stage.claim()
        assert await stage.apply(lifecycle.cancel(waiting)) is Status.STALE


class TestOneCommit(Family):
    async def test_a_failed_guard_touches_only_its_own_item(self, stage: Stage) -> None:
        for _ in range(4):
            await stage.enqueue()
        jobs = await stage.claim()
        changes = [lifecycle.settle(job, Returned(), PLAIN, 0.5) for job in jobs]
        changes[1] = Change(jobs[1].id, Held("other", 1), changes[1].patch)
        changes[2] = Change(stage.new().id, changes[2].guard, changes[2].patch)
        assert list(await stage.storage.apply(changes)) == [APPLIED, STALE, MISSING, APPLIED]
        states = [(await stage.job(job.id)).state for job in jobs]
        assert states == [State.COMPLETED, State.RUNNING, State.RUNNING, State.COMPLETED]

    async def test_each_change_sees_what_the_ones_before_it_left(self, stage: Stage) -> None:
        job = await stage.running()
        settle = lifecycle.settle(job, Returned(), PLAIN, 0.5)
        after = Change(job.id, In(frozenset({State.COMPLETED})), Patch(State.PENDING, reset=True))
        assert list(await stage.storage.apply([settle, settle, after, after])) == [APPLIED, STALE, APPLIED, STALE]
        assert (await stage.job(job.id)).state is State.PENDING

    async def test_a_key_freed_by_one_change_is_there_for_the_next(self, stage: Stage) -> None:
        dead = await stage.dead(key="k")
        holder = await stage.running(key="k")
        settle = lifecycle.settle(holder, Returned(), PLAIN, 0.5)
        retry = lifecycle.retry(dead)
        assert retry is not None
        verdicts = await stage.storage.apply([retry, settle, retry])
        assert [verdict.status for verdict in verdicts] == [Status.HELD, Status.APPLIED, Status.APPLIED]
        assert verdicts[0].holder == holder.id

    async def test_follow_up_jobs_exist_if_it_was_applied(self, stage: Stage) -> None:
        job = await stage.running()
        then = (stage.new(queue="next", payload='{"a":1}'), stage.new(delay=5.0))
        settle = lifecycle.settle(job, Returned(), PLAIN, 0.5)
        await stage.storage.apply([Change(job.id, settle.guard, settle.patch, then)])
        assert [(await stage.job(new.id)).state for new in then] == [State.PENDING, State.SCHEDULED]
        assert (await stage.job(then[0].id)).payload == '{"a":1}'

    async def test_a_follow_up_may_take_the_key_that_its_change_frees(self, stage: Stage) -> None:
        job = await stage.running(key="k")
        then = (stage.new(key="k"),)
        settle = lifecycle.settle(job, Returned(), PLAIN, 0.5)
        await stage.storage.apply([Change(job.id, settle.guard, settle.patch, then)])
        assert (await stage.job(then[0].id)).state is State.PENDING
        assert (await stage.insert(key="k")).id == then[0].id

    async def test_a_follow_up_whose_key_is_held_is_left_out(self, stage: Stage) -> None:
        job = await stage.running()
        await stage.enqueue(key="k", delay=60.0)
        then = (stage.new(key="k"), stage.new())
        settle = lifecycle.settle(job, Returned(), PLAIN, 0.5)
        assert list(await stage.storage.apply([Change(job.id, settle.guard, settle.patch, then)])) == [APPLIED]
        assert list(await stage.storage.get([then[0].id])) == [None]
        assert (await stage.job(then[1].id)).state is State.PENDING

    async def test_a_change_may_follow_on_a_follow_up(self, stage: Stage) -> None:
        job = await stage.running()
        new = stage.new()
        settle = lifecycle.settle(job, Returned(), PLAIN, 0.5)
        cancel = Change(new.id, In(WAITING), Patch(State.CANCELLED))
        verdicts = await stage.storage.apply([Change(job.id, settle.guard, settle.patch, (new,)), cancel])
        assert list(verdicts) == [APPLIED, APPLIED]
        assert (await stage.job(new.id)).state is State.CANCELLED

    async def test_puts_are_done_if_it_was_applied(self, stage: Stage) -> None:
        job = await stage.running()
        settle = lifecycle.settle(job, Returned(), PLAIN, 0.5)
        puts = (Put("kv", "a", "1", Expect.ABSENT), Put("kv", "b", "2"))
        await stage.storage.apply([Change(job.id, settle.guard, settle.patch, (), puts)])
        assert [record.name for record in await stage.storage.records("kv")] == ["a", "b"]

    async def test_a_put_that_loses_makes_its_change_stale(self, stage: Stage) -> None:
        job = await stage.running(key="k")
        await stage.storage.put([Put("kv", "taken", "0")])
        settle = lifecycle.settle(job, Returned(), PLAIN, 0.5)
        puts = (Put("kv", "a", "1"), Put("kv", "taken", "1", 7))
        other = Change(job.id, settle.guard, Patch(alone=True))
        change = Change(job.id, settle.guard, settle.patch, (stage.new(),), puts)
        assert list(await stage.storage.apply([change, other])) == [STALE, APPLIED]
        assert (await stage.job(job.id)).state is State.RUNNING
        assert await stage.ids() == [job.id]
        assert [record.name for record in await stage.storage.records("kv")] == ["taken"]
        assert (await stage.insert(key="k")).duplicate

    async def test_many_completions_at_once(self, stage: Stage) -> None:
        await stage.storage.insert([stage.new() for _ in range(1_500)])
        jobs = await stage.claim(limit=1_500)
        verdicts = await stage.storage.apply([lifecycle.settle(job, Returned(), PLAIN, 0.5) for job in jobs])
        assert list(verdicts) == [APPLIED] * 1_500
        assert await stage.storage.count() == {("q", State.COMPLETED): 1_500}

    async def test_no_changes_no_verdicts(self, stage: Stage) -> None:
        assert list(await stage.storage.apply([])) == []
