"""What the leader sweeps by itself, in virtual time: final jobs by the rule of their queue, as it stands."""

from collections.abc import Callable

import pytest
from stand import Stand

from headrace import State

pytestmark = pytest.mark.anyio


async def kept(stand: Stand) -> dict[str, int]:
    return {queue: of.get(State.COMPLETED, 0) for queue, of in (await stand.app.acounts()).items()}


async def test_a_leader_sweeps_each_queue_by_its_own_rule_and_follows_a_change(
    make_stand: Callable[..., Stand],
) -> None:
    stand = make_stand(retention={"completed": "2h"})
    stand.app.queue("brief", retention="10m")

    @stand.app.task
    async def fine() -> None: ...

    async with stand.app.worker({"brief": 1, "default": 1, "other": 1}) as worker:
        for queue in ("brief", "default", "other"):
            await fine.using(queue=queue).aenqueue()
        await fine.using(queue="brief", retention="3h").aenqueue()
        await worker.idle()
        await stand.pass_time(9 * 60)
        assert await kept(stand) == {"brief": 2, "default": 1, "other": 1}
        await stand.pass_time(3 * 60)
        assert await kept(stand) == {"brief": 1, "default": 1, "other": 1}
        await stand.app.aset_retention("other", {"completed": "5m"})
        await stand.pass_time(70)
        assert await kept(stand) == {"brief": 1, "default": 1}
        await stand.pass_time(3600 * 2)
        assert await kept(stand) == {"brief": 1}
        await stand.pass_time(3600)
        assert await kept(stand) == {}


async def test_of_two_workers_one_sweeps_and_rolls(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = await stand.storage()
    calls: list[str] = []
    for name in ("prune", "leases", "history"):
        method = getattr(storage, name)

        async def count(*arguments: object, name: str = name, method: Callable[..., object] = method, **more: object):
            calls.append(name)
            return await method(*arguments, **more)  # type: ignore[misc]

        monkeypatch.setattr(storage, name, count)
    async with stand.app.worker({"default": 1}):
        await stand.pass_time(100)
        async with stand.app.worker({"default": 1}):
            calls.clear()
            await stand.pass_time(3600)
    assert 53 <= calls.count("prune") <= 68
    assert 59 <= calls.count("history") <= 61
