"""Several processes on one file: wakes, contention, forks."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.model.change import Change, In, Patch
from headrace.model.errors import WrongLoop
from headrace.model.record import QUEUE
from headrace.model.state import RUNNING, State
from headrace.storage.contract import Demand
from headrace.storage.sqlite import SqliteStorage
from headrace.storage.sqlite.wake import Folder
from headrace.system.clock import SystemClock
from headrace.testing.conformance.stage import Stage

pytestmark = pytest.mark.anyio
Make = Callable[..., SqliteStorage]

_PROGRAM = """
import asyncio, sys
from headrace.model.job import NewJob
from headrace.storage.sqlite import SqliteStorage
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

async def main():
    storage, ids = SqliteStorage(sys.argv[1]), Ids(SystemClock())
    await storage.open()
    for _ in range(int(sys.argv[2])):
        await storage.insert([NewJob(id=ids.new(), task="t", queue=sys.argv[3], payload="{}")])
    await storage.close()

asyncio.run(main())
"""

_PUT = """
import asyncio, sys
from headrace.model.change import Change, Held, Patch
from headrace.model.job import NewJob
from headrace.model.record import Put
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.storage.sqlite import SqliteStorage
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

async def main():
    storage, ids, way = SqliteStorage(sys.argv[1]), Ids(SystemClock()), sys.argv[2]
    puts = (Put(sys.argv[3], "q", "{}"),)
    await storage.open()
    new = lambda *own: NewJob(id=ids.new(), task="t", queue="elsewhere", payload="{}", puts=own)
    if way == "alone":
        await storage.put(puts)
    elif way == "insert":
        await storage.insert([new()], puts)
    elif way == "own":
        await storage.insert([new(*puts)])
    else:
        await storage.insert([new()])
        await storage.beat("w", [], 60)
        (job,) = await storage.claim("w", [Demand("elsewhere", 1)])
        beside = ((), puts) if way == "change" else ((new(*puts),), ())
        await storage.apply([Change(job.id, Held("w", 1), Patch(State.COMPLETED), *beside)])
    await storage.close()

asyncio.run(main())
"""


async def _start(path: Path, number: int, queue: str = "q") -> asyncio.subprocess.Process:
    arguments = (sys.executable, "-c", _PROGRAM, str(path), str(number), queue)
    return await asyncio.create_subprocess_exec(*arguments)  # noqa: TID251 - another process is the subject


async def test_another_process_wakes_who_listens(storage: SqliteStorage, path: Path) -> None:
    listener, other = storage.listen(["queue:q"]), storage.listen(["queue:other"])
    process = await _start(path, 1)
    assert await listener.wait(30)
    assert await process.wait() == 0
    assert not await listener.wait(0)
    assert not await other.wait(0)
    listener.close()
    other.close()


@pytest.mark.parametrize("way", ["alone", "insert", "own", "change", "follow-up"])
@pytest.mark.parametrize("kind", ["kv", QUEUE])
async def test_a_put_of_another_process_wakes_who_listens(
    storage: SqliteStorage, path: Path, way: str, kind: str
) -> None:
    topics = [f"record:{kind}"] + ["queue:q"] * (kind == QUEUE)
    listeners, other = [storage.listen([topic]) for topic in topics], storage.listen(["record:other"])
    arguments = (sys.executable, "-c", _PUT, str(path), way, kind)
    process = await asyncio.create_subprocess_exec(*arguments)  # noqa: TID251 - another process is the subject
    for listener in listeners:
        assert await listener.wait(30)
    assert await process.wait() == 0
    assert not await other.wait(0)
    for listener in (*listeners, other):
        listener.close()


async def test_who_listens_to_queues_is_not_woken_for_records(storage: SqliteStorage, path: Path) -> None:
    storage.listen(["queue:q"])
    assert {name[:2] for name in os.listdir(path.with_name("jobs.db-wake"))} == {"q.", "tu"}
    storage.listen(["record:kv"])
    assert {name[:2] for name in os.listdir(path.with_name("jobs.db-wake"))} == {"q.", "r.", "tu"}


@pytest.mark.parametrize("deep", [False, True])
async def test_a_deep_folder(tmp_path: Path, deep: bool) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 100) if deep else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    storage = SqliteStorage(folder / "jobs.db")
    await storage.open()
    listener = storage.listen(["queue:q"])
    process = await _start(folder / "jobs.db", 1)
    assert await listener.wait(30)
    assert await process.wait() == 0
    await storage.close()


async def test_without_sockets_the_file_is_watched(
    storage: SqliteStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Folder, "address", lambda self, name: "/nowhere/at/all")
    listener = storage.listen(["queue:q"])
    await listener.wait(0.01)
    process = await _start(path, 1)
    assert await listener.wait(30)
    assert await process.wait() == 0
    await listener.wait(0)
    assert not await storage.listen(["queue:q"]).wait(0)


async def test_sockets_of_the_dead_are_cleared_away(stage: Stage, path: Path) -> None:
    folder = path.with_name("jobs.db-wake")
    (folder / "q.1.dead").touch()
    await stage.enqueue()
    # Callers are told before other processes are: once a second call is served, the first was posted.
    await stage.enqueue()
    assert not (folder / "q.1.dead").exists()


async def test_sockets_end_with_their_handle(make: Make, path: Path) -> None:
    storage = make()
    await storage.open()
    storage.listen(["queue:q", "job:1"])
    assert len(os.listdir(path.with_name("jobs.db-wake"))) == 3
    await storage.close()
    assert os.listdir(path.with_name("jobs.db-wake")) == ["turn"]


async def test_siblings_hear_each_other(stage: Stage) -> None:
    sibling = stage.storage.sibling()
    await sibling.open()
    hears_queue, hears_worker = sibling.listen(["queue:q"]), sibling.listen(["worker:w"])
    job = await stage.running()
    assert await hears_queue.wait(5)
    hears_job = sibling.listen([f"job:{job.id}"])
    await stage.apply(Change(job.id, In(RUNNING), Patch(cancel_requested=True)))
    assert await hears_worker.wait(5)
    await stage.settle(job)
    assert await hears_job.wait(5)
    await sibling.close()


async def test_many_processes_on_one_file(make: Make, path: Path) -> None:
    storage = make(patience=30.0, clock=SystemClock())
    await storage.open()
    each, processes = 200, 3
    started = [await _start(path, each, f"p{number}") for number in range(processes)]
    await storage.beat("w", [], 600)
    taken: list[str] = []
    demands = [Demand(f"p{number}", 50) for number in range(processes)]
    listener = storage.listen([f"queue:p{number}" for number in range(processes)])
    while len(taken) < each * processes:
        jobs = await storage.claim("w", demands)
        taken += [job.id for job in jobs]
        if not jobs:
            assert await listener.wait(30)
    assert [await process.wait() for process in started] == [0] * processes
    assert len(set(taken)) == each * processes
    assert sum((await storage.count()).values()) == each * processes
    await storage.close()


async def test_a_killed_writer_holds_up_nobody(stage: Stage, path: Path) -> None:
    process = await _start(path, 1_000_000)
    listener = stage.storage.listen(["queue:q"])
    assert await listener.wait(30)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    listener.close()
    await stage.enqueue(queue="mine")
    assert (await stage.storage.count())["mine", State.PENDING] == 1


async def test_a_child_is_told_and_harms_nothing(stage: Stage, make: Make) -> None:
    await stage.enqueue()
    told, tell = os.pipe()
    child = os.fork()  # noqa: TID251 - the fork is the subject
    if child == 0:
        status = 1
        try:
            status = asyncio.new_event_loop().run_until_complete(_as_child(stage, make))
        finally:
            os.write(tell, bytes([status]))
            os._exit(0)
    assert await asyncio.get_running_loop().run_in_executor(None, os.read, told, 1) == b"\x00"
    os.waitpid(child, 0)  # noqa: ASYNC222 - it has ended
    os.close(told)
    os.close(tell)
    assert await stage.number(State.PENDING) == 2
    await stage.enqueue()


async def _as_child(stage: Stage, make: Make) -> int:
    # The parent's loop counts as running in the child's thread; a fresh one makes this the child's own.
    try:
        await stage.storage.count()
    except WrongLoop:
        pass
    else:
        return 2
    await stage.storage.close()
    own = make()
    await own.open()
    await Stage(own, stage.clock).storage.insert([stage.new()])
    await own.close()
    return 0
