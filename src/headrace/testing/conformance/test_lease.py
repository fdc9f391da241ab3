"""Leases: beats, what they tell, and the clock that they run on."""

import pytest

from headrace.model import lifecycle
from headrace.model.outcome import Snoozed
from headrace.storage.contract import Beat, Demand, Holding
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import LEASE, Stage

MILLISECOND = 0.001


def _told(beat: Beat) -> tuple[list[str], list[str]]:
    return sorted(beat.lost), sorted(beat.cancel_requested)


class TestBeat(Family):
    async def test_the_first_beat_makes_the_lease(self, stage: Stage) -> None:
        assert _told(await stage.storage.beat("w", [], LEASE)) == ([], [])
        await stage.enqueue()
        assert len(await stage.storage.claim("w", [Demand("q", 1)])) == 1

    async def test_what_it_holds_is_not_lost(self, stage: Stage) -> None:
        job = await stage.running()
        assert _told(await stage.storage.beat("w", [Holding(job.id, job.generation)], LEASE)) == ([], [])

    async def test_lost_when_reclaimed(self, stage: Stage) -> None:
        kept = await stage.running()
        job = await stage.running()
        await stage.beat("w", ttl=0)
        await stage.beat("rescuer")
        taken = await stage.storage.reclaim("rescuer", 10)
        assert len(taken) == 2
        holding = [Holding(job.id, job.generation), Holding(kept.id, kept.generation)]
        assert _told(await stage.storage.beat("w", holding, LEASE)) == (sorted([job.id, kept.id]), [])

    @pytest.mark.parametrize("off", [-1, 1])
    async def test_lost_under_another_generation(self, stage: Stage, off: int) -> None:
        job = await stage.running()
        assert _told(await stage.storage.beat("w", [Holding(job.id, job.generation + off)], LEASE)) == ([job.id], [])

    async def test_lost_when_settled_unknown_or_anothers(self, stage: Stage) -> None:
        settled = await stage.settle(await stage.running())
        unknown = stage.new().id
        anothers = await stage.running("other")
        holding = [Holding(job_id, 1) for job_id in (settled.id, unknown, anothers.id)]
        beat = await stage.storage.beat("w", holding, LEASE)
        assert list(beat.lost) == [settled.id, unknown, anothers.id]

    async def test_lost_when_claimed_anew_by_the_same_worker(self, stage: Stage) -> None:
        job = await stage.running()
        await stage.apply(lifecycle.hand_back(job))
        (again,) = await stage.claim()
        holding = [Holding(job.id, job.generation), Holding(again.id, again.generation)]
        assert list((await stage.storage.beat("w", holding[:1], LEASE)).lost) == [job.id]
        assert list((await stage.storage.beat("w", holding[1:], LEASE)).lost) == []
        assert list((await stage.storage.beat("w", holding, LEASE)).lost) == [job.id]

    async def test_tells_which_of_its_jobs_somebody_wants_stopped(self, stage: Stage) -> None:
        job, other, anothers = await stage.running(), await stage.running(), await stage.running("other")
        for wanted in (job, anothers):
            await stage.apply(lifecycle.cancel(wanted))
        holding = [Holding(job.id, 1), Holding(other.id, 1)]
        assert _told(await stage.storage.beat("w", holding, LEASE)) == ([], [job.id])
        assert _told(await stage.storage.beat("w", [], LEASE)) == ([], [job.id])

    async def test_a_wish_to_stop_is_told_to_the_next_holder_too(self, stage: Stage) -> None:
        job = await stage.running()
        await stage.apply(lifecycle.cancel(job))
        await stage.settle(job, Snoozed(0.0))
        assert _told(await stage.storage.beat("w", [], LEASE)) == ([], [])
        (again,) = await stage.claim("next")
        assert _told(await stage.storage.beat("w", [], LEASE)) == ([], [])
        assert _told(await stage.storage.beat("next", [], LEASE)) == ([], [again.id])
        await stage.settle(again)
        assert _told(await stage.storage.beat("next", [], LEASE)) == ([], [])


class TestExpiry(Family):
    async def _reclaimable(self, stage: Stage) -> bool:
        await stage.beat("rescuer")
        return bool(await stage.storage.reclaim("rescuer", 10))

    async def test_a_lease_lasts_to_its_last_millisecond(self, stage: Stage) -> None:
        await stage.running()
        stage.clock.advance(LEASE - MILLISECOND)
        assert not await self._reclaimable(stage)
        stage.clock.advance(MILLISECOND)
        assert await self._reclaimable(stage)

    async def test_a_beat_counts_from_now(self, stage: Stage) -> None:
        await stage.running()
        stage.clock.advance(LEASE - 1)
        await stage.beat("w")
        stage.clock.advance(LEASE - MILLISECOND)
        assert not await self._reclaimable(stage)

    async def test_a_beat_can_shorten_the_lease(self, stage: Stage) -> None:
        await stage.running()
        await stage.beat("w", ttl=2.0)
        stage.clock.advance(2)
        assert await self._reclaimable(stage)

    async def test_a_beat_keeps_all_it_holds_whatever_it_names(self, stage: Stage) -> None:
        await stage.running()
        await stage.running()
        stage.clock.advance(LEASE - 1)
        await stage.storage.beat("w", [], LEASE)
        stage.clock.advance(LEASE - 1)
        assert not await self._reclaimable(stage)

    async def test_a_late_beat_revives_what_nobody_took(self, stage: Stage) -> None:
        job = await stage.running()
        stage.clock.advance(LEASE * 10)
        assert _told(await stage.storage.beat("w", [Holding(job.id, job.generation)], LEASE)) == ([], [])
        assert not await self._reclaimable(stage)
        await stage.settle(job)

    async def test_expiry_alone_takes_nothing_away(self, stage: Stage) -> None:
        job = await stage.running()
        stage.clock.advance(LEASE * 10)
        await stage.settle(job)

    async def test_ttl_zero_ends_the_worker_at_once(self, stage: Stage) -> None:
        await stage.running()
        await stage.beat("w", ttl=0)
        assert await self._reclaimable(stage)

    async def test_a_worker_that_ended_may_come_back(self, stage: Stage) -> None:
        await stage.beat("w", ttl=0)
        await stage.enqueue()
        assert len(await stage.claim("w")) == 1

    @pytest.mark.parametrize("step", [-86_400, 86_400, -1, 1])
    async def test_no_wall_clock_step_moves_a_lease(self, stage: Stage, step: float) -> None:
        await stage.running()
        stage.clock.step_wall(step)
        assert not await self._reclaimable(stage)
        stage.clock.advance(LEASE - MILLISECOND)
        assert not await self._reclaimable(stage)
        stage.clock.advance(MILLISECOND)
        assert await self._reclaimable(stage)

    async def test_a_reboot_ends_every_lease(self, stage: Stage) -> None:
        await stage.running()
        await stage.beat("idle")
        stage.clock.reboot()
        await stage.enqueue()
        assert list(await stage.storage.claim("idle", [Demand("q", 1)])) == []
        assert await self._reclaimable(stage)
