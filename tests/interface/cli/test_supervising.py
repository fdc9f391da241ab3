"""The supervisor, with children that are played."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from headrace.interface.cli.freeing import Freeing
from headrace.interface.cli.messages import Done, Opened, Order, Ready, Stop, encode
from headrace.interface.cli.supervisor import Supervisor
from headrace.model.errors import StoreBusy
from headrace.storage.contract import Beat
from headrace.storage.memory import MemoryStorage
from headrace.system.clock import ManualClock
from headrace.system.ids import Ids

pytestmark = pytest.mark.anyio
OPENED = Opened("memory:", "many", grace=0.05, kill_after=0.0, patience=0.0, lease=30.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Played:
    """A child that does what the test says."""

    def __init__(self, order: Order, pid: int) -> None:
        self.order, self.pid = order, pid
        self.signals: list[signal.Signals] = []
        self.told: list[bytes] = []
        self.hung_up = self.closed = self.forked = False
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.obedient = True

    def open(self, opened: Opened = OPENED) -> None:
        self._lines.put_nowait(encode(opened))

    def ready(self) -> None:
        self._lines.put_nowait(encode(Ready({"default": 4})))

    def done(self) -> None:
        self._lines.put_nowait(encode(Done()))

    def end(self, code: int) -> None:
        if not self._ended.done():
            if not self.forked:
                self._lines.put_nowait(b"")
            self._ended.set_result(code)

    async def hear(self) -> bytes:
        return await self._lines.get()

    async def wait(self) -> int:
        return await self._ended

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)
        if number == signal.SIGKILL:
            self.end(-9)
        elif self.obedient:
            self.done()
            self.end(0)

    def tell(self, line: bytes) -> None:
        self.told.append(line)

    def hang_up(self) -> None:
        self.hung_up = True

    def close(self) -> None:
        self.closed = True


class FreedLog(MemoryStorage):
    """Notes whose lease is ended; busy as often as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.freed: list[str] = []
        self.busy = 0

    async def beat(self, worker: str, holding: object, ttl: float) -> Beat:
        if self.busy:
            self.busy -= 1
            raise StoreBusy("jobs.db", 1)
        assert ttl == 0
        self.freed.append(worker)
        return Beat()


class Stage:
    """A supervisor and all children that it started."""

    def __init__(self) -> None:
        self.children: list[Played] = []
        self.storage = FreedLog()
        self.clock = ManualClock()
        self.supervisor: Supervisor
        self.running: asyncio.Task[int]
        self.refused = 0

    async def launch(self, order: Order) -> Played:
        if self.refused:
            self.refused -= 1
            raise OSError("no process left")
        child = Played(order, 1000 + len(self.children))
        self.children.append(child)
        return child

    async def child(self, number: int, *, ready: bool = True) -> Played:
        """The so-and-so-many-th, once it is started; made ready unless told otherwise."""
        await until(lambda: len(self.children) > number)
        child = self.children[number]
        if ready:
            child.open()
            child.ready()
            await turn()
        return child


async def turn() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.get_running_loop().run_in_executor(None, int)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await turn()


@asynccontextmanager
async def supervising(processes: int = 1, *, mends: bool = False) -> AsyncIterator[Stage]:
    stage = Stage()
    entropy = lambda: 0.5  # noqa: E731
    stage.supervisor = Supervisor(
        Order("mail:app", "", -1),
        processes,
        launch=stage.launch,
        freeing=Freeing(lambda _: stage.storage, stage.clock, entropy),
        clock=stage.clock,
        ids=Ids(stage.clock, seed=1),
        entropy=entropy,
        mends=mends,
    )
    stage.running = asyncio.create_task(stage.supervisor.run())
    try:
        yield stage
    finally:
        stage.running.cancel()
        await asyncio.gather(stage.running, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_default_executor()


async def ended(stage: Stage) -> int:
    async with asyncio.timeout(5):
        return await asyncio.shield(stage.running)


async def test_the_first_child_goes_ahead_and_the_others_follow_once_it_has_opened_the_store() -> None:
    async with supervising(3) as stage:
        first = await stage.child(0, ready=False)
        await turn()
        assert len(stage.children) == 1
        first.open()
        await until(lambda: len(stage.children) == 3)
        assert len({child.order.worker_id for child in stage.children}) == 3


async def test_a_dead_child_is_freed_before_another_starts_under_another_id() -> None:
    async with supervising() as stage:
        first = await stage.child(0)
        first.end(-9)
        second = await stage.child(1)
        assert stage.storage.freed == [first.order.worker_id]
        assert second.order.worker_id != first.order.worker_id
        assert first.closed


async def test_freeing_is_tried_until_the_store_lets_it() -> None:
    async with supervising() as stage:
        stage.storage.busy = 5
        first = await stage.child(0)
        first.end(1)
        await until(lambda: stage.storage.freed == [first.order.worker_id])


async def test_freeing_ends_when_the_lease_has_run_out_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    async with supervising() as stage:
        stage.storage.busy = 10_000
        (await stage.child(0)).end(1)
        await until(lambda: "could not free the jobs" in caplog.text)
        assert stage.storage.busy > 9_900


async def test_a_store_of_one_process_is_left_alone() -> None:
    async with supervising() as stage:
        first = await stage.child(0, ready=False)
        first.open(msgspec.structs.replace(OPENED, processes="one"))
        first.ready()
        await turn()
        first.end(-9)
        await stage.child(1)
        assert stage.storage.freed == []


async def test_a_clean_stop_is_0_and_frees_nobody() -> None:
    async with supervising(2) as stage:
        children = [await stage.child(0), await stage.child(1)]
        stage.supervisor.stop()
        assert await ended(stage) == 0
        assert [child.signals for child in children] == [[signal.SIGTERM], [signal.SIGTERM]]
        assert not any(child.hung_up for child in children)
        assert stage.storage.freed == []


async def test_a_second_stop_order_ends_the_channel_and_further_ones_are_ignored() -> None:
    async with supervising() as stage:
        child = await stage.child(0)
        child.obedient = False
        for _ in range(5):
            stage.supervisor.stop()
        assert child.signals == [signal.SIGTERM]
        assert child.told == [encode(Stop())]
        assert child.hung_up
        child.done()
        child.end(0)
        assert await ended(stage) == 0


async def test_a_child_that_ends_badly_during_the_stop_makes_it_1_and_is_freed() -> None:
    async with supervising() as stage:
        child = await stage.child(0)
        child.obedient = False
        stage.supervisor.stop()
        child.end(3)
        assert await ended(stage) == 1
        assert stage.storage.freed == [child.order.worker_id]


async def test_how_the_process_of_a_child_ends_that_holds_nothing_any_more_is_no_matter() -> None:
    async with supervising() as stage:
        child = await stage.child(0)
        child.obedient = False
        stage.supervisor.stop()
        child.done()
        child.end(-signal.SIGTERM)
        assert await ended(stage) == 0
        assert stage.storage.freed == []


async def test_a_channel_that_stays_open_keeps_no_dead_child_alive() -> None:
    async with supervising() as stage:
        first = await stage.child(0)
        first.forked = True
        first.end(-9)
        await stage.child(1)
        assert stage.storage.freed == [first.order.worker_id]


async def test_a_child_that_is_told_to_stop_while_it_starts_may_end_by_the_signal() -> None:
    async with supervising() as stage:
        child = await stage.child(0, ready=False)
        child.obedient = False
        stage.supervisor.stop()
        child.end(-signal.SIGTERM)
        assert await ended(stage) == 0


async def test_a_child_that_does_not_stop_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("headrace.interface.cli.supervisor._MARGIN", 0.05)
    async with supervising() as stage:
        child = await stage.child(0)
        child.obedient = False
        stage.supervisor.stop()
        assert await ended(stage) == 1
        assert child.signals == [signal.SIGTERM, signal.SIGKILL]
        assert "pid 1000 did not stop in time: killed" in caplog.text


async def test_a_child_started_during_the_stop_is_told_of_it() -> None:
    async with supervising(1) as stage:
        (await stage.child(0)).end(-9)
        held: asyncio.Event = asyncio.Event()
        launch: Callable[[Order], Awaitable[Played]] = stage.launch

        async def late(order: Order) -> Played:
            await held.wait()
            return await launch(order)

        stage.supervisor._launch = late
        await turn()
        stage.supervisor.stop()
        held.set()
        assert await ended(stage) == 0
        assert all(child.signals in ([], [signal.SIGTERM]) for child in stage.children)


async def test_where_no_process_can_be_started_it_tries_again() -> None:
    async with supervising() as stage:
        first = await stage.child(0)
        stage.refused = 3
        first.end(-9)
        await stage.child(1)
        assert stage.refused == 0


async def test_giving_up_stops_the_other_children_too() -> None:
    async with supervising(2) as stage:
        other = await stage.child(0)
        for number in range(1, 6):
            (await stage.child(number, ready=False)).end(-11)
        assert await ended(stage) == 1
        assert other.signals == [signal.SIGTERM]


async def test_a_restart_replaces_all_children_now_and_without_blame() -> None:
    async with supervising(2) as stage:
        children = [await stage.child(0), await stage.child(1)]
        stage.supervisor.restart()
        await stage.child(3)
        assert all(child.hung_up for child in children)
        assert len(stage.children) == 4


async def test_what_can_not_start_waits_for_its_mending_where_that_will_be_told() -> None:
    async with supervising(mends=True) as stage:
        for number in range(12):
            child = await stage.child(number, ready=False)
            child.end(1)
            await turn()
            assert len(stage.children) == number + 1
            stage.supervisor.restart()
        await stage.child(12)
        stage.supervisor.stop()
        assert await ended(stage) == 0


async def test_it_says_who_is_ready(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headrace")
    async with supervising() as stage:
        child = await stage.child(0)
        assert f"worker {child.order.worker_id[-8:]} ready: pid 1000, queues default:4" in caplog.text
        record = next(record for record in caplog.records if "ready" in record.message)
        assert vars(record)["worker"] == child.order.worker_id


async def test_lines_that_are_no_messages_are_passed_over() -> None:
    async with supervising() as stage:
        child = await stage.child(0, ready=False)
        for line in (b"hello\n", b"{}\n", b"\xff\xfe\n", b'{"type":"opened"}\n'):
            child._lines.put_nowait(line)
        child.open()
        child.ready()
        await turn()
        assert not stage.running.done()
