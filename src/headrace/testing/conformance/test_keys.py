"""Dedup keys: the three ways in which they hold, and when each is given up."""

from typing import Any

import pytest

from headrace.model import lifecycle
from headrace.model.change import Change, In, Patch, Status, Verdict
from headrace.model.job import Encoding, Until
from headrace.model.outcome import Raised, Returned, Snoozed, Stopped
from headrace.model.state import State
from headrace.storage.contract import Keep, Receipt
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, GIVEN_UP, Stage

MILLISECOND = 0.001
FINISHED: dict[str, Any] = {"key": "k", "until": Until.FINISHED}
CLAIMED: dict[str, Any] = {"key": "k", "until": Until.CLAIMED}
WINDOW: dict[str, Any] = {"key": "k", "until": Until.WINDOW, "window": 10.0}


async def _held(stage: Stage) -> bool:
    """Whether the key ``k`` of queue ``q`` is held. Leaves nothing behind."""
    receipt = await stage.insert(key="k")
    if not receipt.duplicate:
        await stage.storage.delete([receipt.id])
    return receipt.duplicate


class TestKeys(Family):
    @pytest.mark.parametrize("fields", [FINISHED, CLAIMED, WINDOW])
    async def test_a_held_key_gives_the_holder(self, stage: Stage, fields: dict[str, Any]) -> None:
        holder = await stage.enqueue(**fields)
        for again in (FINISHED, CLAIMED, WINDOW):
            assert await stage.insert(**again) == Receipt(holder, duplicate=True)
        assert await stage.ids() == [holder]

    async def test_only_that_item_is_a_duplicate(self, stage: Stage) -> None:
        holder = await stage.enqueue(key="k")
        free, other = stage.new(), stage.new(key="other")
        receipts = await stage.storage.insert([free, stage.new(key="k"), other])
        assert list(receipts) == [Receipt(free.id), Receipt(holder, duplicate=True), Receipt(other.id)]

    async def test_a_key_holds_per_queue(self, stage: Stage) -> None:
        await stage.enqueue(key="k")
        assert not (await stage.insert(key="k", queue="other")).duplicate

    async def test_inside_one_call_the_first_wins(self, stage: Stage) -> None:
        first, second = stage.new(key="k"), stage.new(key="k", payload='{"a":1}')
        receipts = await stage.storage.insert([first, second])
        assert list(receipts) == [Receipt(first.id), Receipt(first.id, duplicate=True, payload_differs=True)]
        assert await stage.ids() == [first.id]

    @pytest.mark.parametrize("other", [{"payload": '{"a":2}'}, {"task": "u"}, {"encoding": Encoding.BYTES}])
    async def test_payload_differs(self, stage: Stage, other: dict[str, Any]) -> None:
        await stage.enqueue(key="k")
        assert not (await stage.insert(key="k")).payload_differs
        assert (await stage.insert(key="k", **other)).payload_differs

    async def test_keys_that_look_alike_are_different(self, stage: Stage) -> None:
        for key in ("k", "K", "k ", "ｋ", "k%", "é", "e\u0301"):
            assert not (await stage.insert(key=key)).duplicate


class TestUntilFinished(Family):
    async def test_held_while_it_waits_runs_and_waits_again(self, stage: Stage) -> None:
        running = await stage.running(**FINISHED)
        assert await _held(stage)
        await stage.settle(running, FAILED)
        assert await _held(stage)
        stage.clock.advance(5)
        (again,) = await stage.claim()
        await stage.settle(again, Snoozed(1.0))
        assert await _held(stage)

    @pytest.mark.parametrize("outcome", [Returned(), GIVEN_UP, Stopped("enough")])
    async def test_free_once_final(self, stage: Stage, outcome: Returned | Raised | Stopped) -> None:
        await stage.settle(await stage.running(**FINISHED), outcome)
        assert not await _held(stage)

    async def test_free_once_cancelled_while_it_waits(self, stage: Stage) -> None:
        job = await stage.job(await stage.enqueue(delay=5.0, **FINISHED))
        await stage.apply(lifecycle.cancel(job))
        assert not await _held(stage)

    async def test_held_beyond_any_time(self, stage: Stage) -> None:
        await stage.enqueue(**FINISHED)
        stage.clock.advance(86_400 * 400)
        await stage.storage.prune({}, 100)
        assert await _held(stage)

    async def test_a_retry_takes_it_back(self, stage: Stage) -> None:
        dead = await stage.dead(**FINISHED)
        assert await stage.apply(lifecycle.retry(dead)) is Status.APPLIED
        assert await stage.insert(key="k") == Receipt(dead.id, duplicate=True)
        await stage.settle((await stage.claim())[0])
        assert not await _held(stage)

    @pytest.mark.parametrize("fields", [FINISHED, CLAIMED, WINDOW])
    async def test_a_retry_while_another_holds_it_changes_nothing(self, stage: Stage, fields: dict[str, Any]) -> None:
        dead = await stage.dead(**FINISHED)
        holder = await stage.enqueue(**fields)
        change = lifecycle.retry(dead)
        assert change is not None
        assert list(await stage.storage.apply([change])) == [Verdict(Status.HELD, holder)]
        assert await stage.job(dead.id) == dead

    async def test_what_one_job_gives_up_another_keeps(self, stage: Stage) -> None:
        dead = await stage.dead(**FINISHED)
        holder = await stage.enqueue(**FINISHED)
        await stage.storage.delete([dead.id])
        assert await stage.insert(key="k") == Receipt(holder, duplicate=True)

    async def test_release_of_a_key_that_another_holds(self, stage: Stage) -> None:
        dead = await stage.dead(**FINISHED)
        holder = await stage.enqueue(**FINISHED)
        change = Change(dead.id, In(frozenset({State.DEAD})), Patch(release_key=True))
        assert await stage.apply(change) is Status.APPLIED
        assert await stage.insert(key="k") == Receipt(holder, duplicate=True)


class TestUntilClaimed(Family):
    async def test_held_while_it_waits(self, stage: Stage) -> None:
        await stage.enqueue(delay=5.0, **CLAIMED)
        assert await _held(stage)
        stage.clock.advance(100)
        assert await _held(stage)

    async def test_given_up_for_good_at_the_claim(self, stage: Stage) -> None:
        job = await stage.running(**CLAIMED)
        assert job.key is None
        assert await stage.job(job.id) == job
        assert not await _held(stage)
        retrying = await stage.settle(job, FAILED)
        assert retrying.key is None
        assert not await _held(stage)

    async def test_a_hand_back_does_not_take_it_back(self, stage: Stage) -> None:
        job = await stage.running(**CLAIMED)
        await stage.apply(lifecycle.hand_back(job))
        assert not await _held(stage)

    async def test_a_retry_of_the_dead_does_not_take_it_back(self, stage: Stage) -> None:
        dead = await stage.dead(**CLAIMED)
        holder = await stage.enqueue(**CLAIMED)
        assert await stage.apply(lifecycle.retry(dead)) is Status.APPLIED
        assert await stage.insert(key="k") == Receipt(holder, duplicate=True)

    async def test_its_end_does_not_free_the_next_holder(self, stage: Stage) -> None:
        first = await stage.running(**CLAIMED)
        holder = await stage.enqueue(**CLAIMED)
        await stage.settle(first)
        assert await stage.insert(key="k") == Receipt(holder, duplicate=True)

    async def test_free_once_cancelled_while_it_waits(self, stage: Stage) -> None:
        job = await stage.job(await stage.enqueue(**CLAIMED))
        await stage.apply(lifecycle.cancel(job))
        assert not await _held(stage)

    async def test_another_job_claimed_does_not_free_it(self, stage: Stage) -> None:
        await stage.enqueue(priority=1, key="other", until=Until.CLAIMED)
        await stage.enqueue(priority=2, **CLAIMED)
        assert len(await stage.claim(limit=1)) == 1
        assert await _held(stage)


class TestUntilWindow(Family):
    async def test_held_to_the_last_millisecond(self, stage: Stage) -> None:
        await stage.enqueue(**WINDOW)
        stage.clock.advance(10 - MILLISECOND)
        assert await _held(stage)
        stage.clock.advance(MILLISECOND)
        assert not await _held(stage)

    @pytest.mark.parametrize("outcome", [Returned(), GIVEN_UP, Stopped("enough"), FAILED])
    async def test_whatever_becomes_of_the_job(self, stage: Stage, outcome: Returned | Raised | Stopped) -> None:
        await stage.settle(await stage.running(**WINDOW), outcome)
        stage.clock.advance(10 - MILLISECOND)
        assert await _held(stage)
        stage.clock.advance(MILLISECOND)
        assert not await _held(stage)

    async def test_also_where_it_was_cancelled_or_pruned(self, stage: Stage) -> None:
        job = await stage.job(await stage.enqueue(**WINDOW))
        await stage.apply(lifecycle.cancel(job))
        assert await _held(stage)
        stage.clock.advance(1)
        assert await stage.storage.prune({State.CANCELLED: Keep(0, 0)}, 10) == 1
        assert await stage.insert(key="k", payload='{"a":1}') == Receipt(job.id, duplicate=True)
        stage.clock.advance(9)
        assert not await _held(stage)

    async def test_free_once_the_job_is_deleted(self, stage: Stage) -> None:
        await stage.storage.delete([await stage.enqueue(**WINDOW)])
        assert not await _held(stage)

    async def test_free_at_its_end_though_the_job_still_runs(self, stage: Stage) -> None:
        running = await stage.running(**WINDOW)
        stage.clock.advance(10)
        holder = await stage.enqueue(**FINISHED)
        await stage.settle(running)
        assert await stage.insert(key="k") == Receipt(holder, duplicate=True)

    async def test_a_retry_opens_no_window_anew(self, stage: Stage) -> None:
        dead = await stage.dead(**WINDOW)
        stage.clock.advance(10)
        assert await stage.apply(lifecycle.retry(dead)) is Status.APPLIED
        assert not await _held(stage)

    async def test_a_retry_within_the_window_leaves_it_as_it_was(self, stage: Stage) -> None:
        dead = await stage.dead(**WINDOW)
        assert await stage.apply(lifecycle.retry(dead)) is Status.APPLIED
        assert await stage.insert(key="k") == Receipt(dead.id, duplicate=True)
        stage.clock.advance(10)
        assert not await _held(stage)

    async def test_prune_forgets_lapsed_keys_only(self, stage: Stage) -> None:
        await stage.enqueue(**WINDOW)
        await stage.enqueue(key="longer", until=Until.WINDOW, window=20.0)
        stage.clock.advance(15)
        assert await stage.storage.prune({}, 10) == 0
        assert not await _held(stage)
        assert (await stage.insert(key="longer")).duplicate
