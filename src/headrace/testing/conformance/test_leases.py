"""Leases as they are read: whose, and how long they last."""

import pytest

from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import LEASE, Stage

MILLISECOND = 0.001


class TestLeases(Family):
    async def test_workers_that_never_beat_are_unknown(self, stage: Stage) -> None:
        assert dict(await stage.storage.leases()) == {}
        await stage.beat("w")
        assert "other" not in await stage.storage.leases()

    async def test_in_how_many_seconds_each_runs_out(self, stage: Stage) -> None:
        await stage.beat("a")
        await stage.beat("b", ttl=0.5)
        assert dict(await stage.storage.leases()) == {"a": LEASE, "b": 0.5}
        stage.clock.advance(0.4)
        assert dict(await stage.storage.leases()) == pytest.approx({"a": LEASE - 0.4, "b": 0.1})

    async def test_a_beat_counts_from_now(self, stage: Stage) -> None:
        await stage.beat("w")
        stage.clock.advance(LEASE - MILLISECOND)
        assert (await stage.storage.leases())["w"] == pytest.approx(MILLISECOND)
        await stage.beat("w")
        assert dict(await stage.storage.leases()) == {"w": LEASE}
        await stage.beat("w", ttl=2.0)
        assert dict(await stage.storage.leases()) == {"w": 2.0}

    async def test_zero_or_less_once_it_has_run_out(self, stage: Stage) -> None:
        await stage.beat("w")
        stage.clock.advance(LEASE)
        assert (await stage.storage.leases())["w"] == 0
        stage.clock.advance(100)
        assert (await stage.storage.leases())["w"] <= 0
        await stage.beat("w")
        assert (await stage.storage.leases())["w"] == LEASE

    async def test_one_that_was_ended_has_run_out(self, stage: Stage) -> None:
        await stage.beat("w")
        await stage.beat("w", ttl=0)
        assert (await stage.storage.leases())["w"] <= 0

    async def test_reclaim_forgets_the_expired_who_hold_nothing(self, stage: Stage) -> None:
        await stage.abandoned(queue="a")
        await stage.beat("idle", ttl=0)
        await stage.beat("rescuer")
        await stage.storage.reclaim("rescuer", 10, ["b"])
        found = await stage.storage.leases()
        assert set(found) == {"gone", "rescuer"}
        assert found["gone"] <= 0
        await stage.storage.reclaim("rescuer", 10)
        assert dict(await stage.storage.leases()) == {"rescuer": LEASE}

    async def test_another_boots_have_run_out(self, stage: Stage) -> None:
        await stage.beat("w", ttl=86_400)
        stage.clock.reboot()
        assert (await stage.storage.leases())["w"] <= 0
        await stage.beat("w")
        assert (await stage.storage.leases())["w"] == LEASE

    @pytest.mark.parametrize("step", [-86_400, 86_400])
    async def test_no_wall_clock_step_moves_them(self, stage: Stage, step: float) -> None:
        await stage.beat("w")
        stage.clock.step_wall(step)
        assert (await stage.storage.leases())["w"] == LEASE

    async def test_siblings_read_the_same(self, stage: Stage) -> None:
        await stage.beat("w")
        sibling = stage.storage.sibling()
        await sibling.open()
        assert dict(await sibling.leases()) == {"w": LEASE}
        await sibling.close()
