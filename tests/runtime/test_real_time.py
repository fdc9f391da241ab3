"""What virtual time can't show: threads, processes, a blocked loop. Waits are for events and joins, with deadlines."""

import asyncio
import ctypes
import errno
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import process_tasks
import pytest
from process_tasks import app as process_app

from headrace import CancelOutcome, Headrace, RetryPolicy, State, current
from headrace.model.errors import LeaseLost
from headrace.runtime.heart import ClaimingStopped, HandlerStuck, LoopBlocked
from headrace.runtime.worker import BLOCKED_EXIT
from headrace.system import children
from headrace.system.threads import start_thread

pytestmark = pytest.mark.anyio

block = getattr(time, "sleep")  # noqa: B009 - what handlers of users do
Make = Callable[..., Headrace]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite"])
async def make(request: pytest.FixtureRequest, tmp_path: Path, reports: list[BaseException]) -> AsyncIterator[Make]:
    made: list[Headrace] = []

    def make(**options: Any) -> Headrace:
        url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'jobs.db'}"
        made.append(Headrace(url, **{"poll": 0.02, "kill_after": 0.2, **options}))
        made[-1].report = lambda who, error: reports.append(error)
        return made[-1]

    yield make
    for app in made:
        await app.aclose()


@pytest.fixture
def reports() -> list[BaseException]:
    """What the apps of ``make`` report."""
    return []


async def until(event: threading.Event) -> None:
    """Waits for a thread's event, beside the loop."""
    assert await asyncio.get_running_loop().run_in_executor(None, event.wait, 10)


# --- threads ----------------------------------------------------------------------------------------------------------


async def test_a_plain_function_runs_in_a_thread_and_knows_its_job(make: Make) -> None:
    app = make()

    @app.task
    def where() -> list[object]:
        return [threading.current_thread().name, current().attempt]

    async with app.worker({"default": 2}):
        name, attempt = await app.aresult(await where.aenqueue(), 10)
    assert str(name).startswith("headrace-handler")
    assert attempt == 1


async def test_plain_functions_run_side_by_side(make: Make) -> None:
    app = make()
    barrier = threading.Barrier(3)

    @app.task
    def meets() -> int:
        return barrier.wait(10)

    receipts = [await meets.aenqueue() for _ in range(3)]
    async with app.worker({"default": 3}):
        assert sorted([await app.aresult(receipt, 10) for receipt in receipts]) == [0, 1, 2]


async def test_a_thread_that_ran_too_long_is_settled_as_a_timeout_when_it_returns(make: Make) -> None:
    app = make()
    started, go = threading.Event(), threading.Event()

    @app.task(timeout="50ms", retry=RetryPolicy.none())
    def slow() -> str:
        started.set()
        go.wait(10)
        assert current().cancelled
        return "too late"

    receipt = await slow.aenqueue()
    async with app.worker():
        await until(started)
        await app.clock.sleep(0.15)
        assert (await app.ajob(receipt)).state is State.RUNNING  # type: ignore[union-attr]
        go.set()
        job = await app.ajoin(receipt, 10)
    assert (job.state, job.last_error) == (State.DEAD, "Timeout: ran longer than timeout=0.05 s")


async def test_a_running_thread_sees_that_it_is_cancelled_by_another_handle(make: Make) -> None:
    app = make()
    started = threading.Event()

    @app.task
    def polite() -> None:
        started.set()
        while not current().cancelled:
            block(0.005)
        raise ValueError("stopped")

    receipt = await polite.aenqueue()
    async with app.worker():
        await until(started)
        outcome = await asyncio.get_running_loop().run_in_executor(None, app.cancel, receipt)
        assert outcome is CancelOutcome.REQUESTED
        job = await app.ajoin(receipt, 10)
    assert (job.state, job.attempt) == (State.CANCELLED, 1)


async def test_a_thread_that_does_not_end_is_left_to_itself_and_its_job_handed_back(make: Make) -> None:
    app = make(grace=0.1)
    started, go = threading.Event(), threading.Event()

    @app.task
    def long() -> None:
        started.set()
        go.wait(10)

    receipt = await long.aenqueue()
    async with app.worker():
        await until(started)
    job = await app.ajob(receipt)
    go.set()
    assert job is not None
    assert (job.state, job.attempt) == (State.PENDING, 0)


async def test_a_cancel_that_races_completion_ends_in_one_of_the_two(make: Make) -> None:
    app = make()

    @app.task
    async def quick() -> str:
        return "done"

    async with app.worker({"default": 4}):
        for _ in range(20):
            receipt = await quick.aenqueue()
            outcome = await app.acancel(receipt)
            job = await app.ajoin(receipt, 10)
            if outcome is CancelOutcome.CANCELLED:
                assert job.state is State.CANCELLED
            else:
                assert job.state in (State.COMPLETED, State.CANCELLED)


# --- a blocked loop ---------------------------------------------------------------------------------------------------


async def test_a_handler_that_blocks_the_loop_for_ten_leases_is_not_run_twice(
    make: Make, reports: list[BaseException]
) -> None:
    app = make(lease=0.3, beat=0.05, reap=0.05)
    runs: list[int] = []

    @app.task
    async def blocks() -> str:
        runs.append(1)
        block(3)
        return "once"

    receipt = await blocks.aenqueue()
    ended = threading.Event()
    results: list[object] = []

    def beside() -> None:  # another worker of the same store, on a loop of its own, as eager to rescue
        with app.background({"default": 2}):
            results.append(app.result(receipt, 10))
        ended.set()

    async with app.worker({"default": 1}):
        while not runs:
            await app.clock.sleep(0)
        app.spawn.threads("beside")
        rescuer = asyncio.get_running_loop().run_in_executor(None, beside)
        await until(ended)
        await rescuer
    assert (runs, results) == ([1], ["once"])
    blocked = [error for error in reports if isinstance(error, LoopBlocked)]
    assert len(blocked) == 1
    assert "block(3)" in str(blocked[0])
    assert not [error for error in reports if isinstance(error, LeaseLost)]


async def test_a_timed_out_handler_that_blocks_the_loop_ends_the_process_after_the_others_are_handed_back(
    make: Make,
) -> None:
    app = make()
    exits: list[int] = []
    states: list[State] = []
    go = threading.Event()
    started = threading.Event()

    @app.task(timeout="50ms", retry=RetryPolicy.none())
    async def blocks() -> None:
        go.wait(20)

    @app.task
    def neighbour() -> None:
        started.set()
        go.wait(20)

    beside = await neighbour.aenqueue()

    def end_process(code: int) -> None:
        if not exits:
            exits.append(code)
            start_thread("look", look).join(10)
            go.set()

    def look() -> None:  # from elsewhere: this is the heart's loop
        states.extend(job.state for job in (app.job(beside), app.job(blocking)) if job is not None)

    async with app.worker({"default": 2}, end_process=end_process):
        await until(started)
        blocking = await blocks.aenqueue()
        assert (await app.ajoin(blocking, 10)).last_error is not None
    assert exits == [BLOCKED_EXIT]
    assert states == [State.PENDING, State.DEAD]


async def test_embedded_such_a_worker_stops_claiming_says_so_and_keeps_the_loop_turning(
    make: Make, reports: list[BaseException]
) -> None:
    app = make()
    told = threading.Event()

    @app.task(timeout="50ms", retry=RetryPolicy.none())
    async def blocks() -> None:
        for _ in range(1000):
            if any(isinstance(error, ClaimingStopped) for error in reports):
                break
            block(0.01)
        told.set()

    @app.task
    async def never() -> None:
        raise AssertionError("ran")

    async with app.worker({"default": 1}):
        await blocks.aenqueue()
        waiting = await never.aenqueue()
        await until(told)
        await app.clock.sleep(0.1)
        assert (await app.ajob(waiting)).state is State.PENDING  # type: ignore[union-attr]
    assert any(isinstance(error, LoopBlocked) for error in reports)


# --- processes --------------------------------------------------------------------------------------------------------


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (OSError, ProcessLookupError):
        return False


async def gone(app: Headrace, pid: int) -> bool:
    """Whether the process ended within some seconds."""
    for _ in range(500):
        if not is_alive(pid):
            return True
        await app.clock.sleep(0.01)
    return False


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def pid_in(app: Headrace, path: Path) -> int:
    for _ in range(1000):
        if text := read(path):
            return int(text)
        await app.clock.sleep(0.01)
    raise AssertionError("the child did not start")


async def test_process_handlers_answer_values_errors_and_wishes(processes: Headrace) -> None:
    app = processes
    value, pid, attempt = await app.aresult(await process_tasks.double.aenqueue(4), 20)
    assert (value, attempt) == (8, 1)
    assert pid != os.getpid()
    assert await app.aresult(await process_tasks.double_async.aenqueue(4), 20) == 8
    failed = await app.ajoin(await process_tasks.raises.aenqueue("value"), 20)
    assert failed.last_error == "ValueError: no"
    left = await app.ajoin(await process_tasks.raises.aenqueue("exit"), 20)
    assert (left.state, left.reason, left.crashes) == (State.DEAD, "exhausted", 0)
    too_large = await app.ajoin(await process_tasks.large.aenqueue(), 20)
    assert too_large.state is State.COMPLETED
    assert too_large.result_error is not None
    snoozed = await process_tasks.raises.aenqueue("snooze")
    while (job := await app.ajob(snoozed)) is None or job.state is not State.SCHEDULED:
        await app.clock.sleep(0.01)
    assert job.attempt == 0


async def test_a_timeout_kills_the_process(processes: Headrace, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    await processes.aresult(await process_tasks.double.aenqueue(1), 20)  # the child is up
    receipt = await process_tasks.hangs.using(timeout=0.3).aenqueue(str(path))
    pid = await pid_in(processes, path)
    job = await processes.ajoin(receipt, 20)
    assert job.last_error == "Timeout: ran longer than timeout=0.3 s"
    assert await gone(processes, pid)
    assert await processes.aresult(await process_tasks.fine.aenqueue(), 20) == "fine"


async def test_a_process_is_dead_before_its_attempt_is_settled(processes: Headrace, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    receipt = await process_tasks.stubborn.using(timeout=0.5).aenqueue(str(path))
    job = await processes.ajoin(receipt, 20)
    if path.exists():  # it ran out of time after it began, not while its process started
        assert not is_alive(int(path.read_text()))
    assert job.last_error == "Timeout: ran longer than timeout=0.5 s"


async def test_middleware_sees_what_a_process_returned(tmp_path: Path) -> None:
    fresh, seen = Headrace("memory:", poll=0.02), []
    double = fresh.task(name="double", executor="process")(process_tasks.double._function)

    async def look(job: Any, call_next: Any) -> object:
        seen.append(await call_next(job))
        return seen[0]

    fresh.add_middleware(look)
    async with fresh, fresh.worker():
        value = await fresh.aresult(await double.aenqueue(4), 20)
    assert value == seen[0]
    assert value[0] == 8


async def test_a_handler_that_ignores_its_cancellation_is_reported(make: Make, reports: list[BaseException]) -> None:
    app, going_on = make(kill_after=0.1), asyncio.Event()

    @app.task(name="deaf")
    async def deaf() -> None:
        while not going_on.is_set():
            try:
                await going_on.wait()
            except asyncio.CancelledError:
                continue

    async with app.worker():
        receipt = await deaf.aenqueue()
        while (job := await app.ajob(receipt)) is None or job.state is not State.RUNNING:
            await app.clock.sleep(0.01)
        await app.acancel(receipt)
        while not any(isinstance(error, HandlerStuck) for error in reports):
            await app.clock.sleep(0.01)
        going_on.set()
        assert (await app.ajoin(receipt, 10)).state is State.COMPLETED


async def test_an_awaited_generator_exit_is_a_failure_and_the_lane_lives(make: Make) -> None:
    app = make()

    @app.task(name="odd", retry=RetryPolicy.none())
    async def odd() -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(GeneratorExit())
        await future

    async with app.worker({"default": 1}):
        assert (await app.ajoin(await odd.aenqueue(), 10)).state is State.DEAD
        assert (await app.ajoin(await odd.aenqueue(), 10)).state is State.DEAD


async def test_cancelling_a_process_handler_kills_it(processes: Headrace, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    receipt = await process_tasks.hangs.aenqueue(str(path))
    pid = await pid_in(processes, path)
    assert await processes.acancel(receipt) is CancelOutcome.REQUESTED
    assert (await processes.ajoin(receipt, 20)).state is State.CANCELLED
    assert await gone(processes, pid)


@pytest.mark.parametrize("how", ["exit", "kill"])
async def test_a_process_that_dies_is_a_crash_and_poison_after_three(processes: Headrace, how: str) -> None:
    receipt = await process_tasks.dies.aenqueue(how)
    while (job := await processes.ajob(receipt)) is None or job.state is not State.DEAD:
        if job is not None and job.state is State.RETRYING:
            await processes.arun_now(receipt)  # not the back-off, which virtual time shows
        await processes.clock.sleep(0.01)
    assert (job.reason, job.crashes) == ("poison", 3)
    assert ("exit code 3" if how == "exit" else "SIGKILL") in (job.last_error or "")
    assert await processes.aresult(await process_tasks.fine.aenqueue(), 20) == "fine"


async def test_a_stop_kills_process_handlers_and_hands_them_back(tmp_path: Path) -> None:
    fresh = Headrace("memory:", poll=0.02, grace=0.05, kill_after=0.5)
    path = tmp_path / "pid"
    hangs = fresh.task(name="hangs", executor="process")(process_tasks.hangs._function)
    async with fresh:
        receipt = await hangs.aenqueue(str(path))
        async with fresh.worker():
            pid = await pid_in(fresh, path)
        job = await fresh.ajob(receipt)
        assert job is not None
        assert (job.state, job.attempt) == (State.PENDING, 0)
        assert await gone(fresh, pid)


async def test_when_the_parent_is_killed_its_children_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    program = "import sys; from process_tasks import app, hangs; hangs.enqueue(sys.argv[1]); app.run()"
    start = getattr(asyncio, "create_subprocess_exec")  # noqa: B009 - a program of a user
    places = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    parent = await start(sys.executable, "-c", program, str(path), env=environment)
    try:
        pid = await pid_in(process_app, path)
        assert is_alive(pid)
    finally:
        parent.kill()
        await parent.wait()
    assert await gone(process_app, pid)


# --- what goes wrong around handlers ----------------------------------------------------------------------------------


async def test_a_job_that_gets_no_thread_waits_and_burns_no_attempt(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make()
    tries = []

    def start_later(name: str, run: Callable[[], None]) -> object:
        if name.startswith("headrace-handler") and not tries:
            tries.append(name)
            raise RuntimeError("can't start new thread")
        return start_thread(name, run)

    monkeypatch.setattr("headrace.system.threads.start_thread", start_later)

    @app.task(name="plain", retry=RetryPolicy.none())
    def plain() -> str:
        return "done"

    async with app.worker():
        job = await app.ajoin(await plain.aenqueue(), 10)
    assert (job.state, job.attempt, len(tries)) == (State.COMPLETED, 1, 1)
    assert [record.outcome for record in job.history] == ["not_started"]


async def test_a_job_that_gets_no_process_waits_and_burns_no_attempt(
    processes: Headrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, tries = children.SpawnProcess.start, []

    def start_later(process: children.SpawnProcess) -> None:
        tries.append(process)
        if len(tries) == 1:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        start(process)

    monkeypatch.setattr(children.SpawnProcess, "start", start_later)
    job = await processes.ajoin(await process_tasks.double.aenqueue(4), 20)
    assert (job.state, job.attempt, len(tries)) == (State.COMPLETED, 1, 2)
    assert [record.outcome for record in job.history] == ["not_started"]


def throw_into(thread: int) -> None:
    """What libraries do that put a time limit on a function."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TimeoutError))


async def test_an_error_thrown_into_a_handlers_thread_when_it_is_done_costs_no_slot(make: Make) -> None:
    app = make()

    @app.task(name="late", retry=RetryPolicy.none())
    def late() -> None:
        throw_into(threading.get_ident())

    @app.task(name="idle", retry=RetryPolicy.none())
    def idle() -> int:
        return threading.get_ident()

    async with app.worker({"default": 1}):
        job = await app.ajoin(await late.aenqueue(), 10)
        assert (job.state, job.last_error) == (State.DEAD, "TimeoutError: TimeoutError")
        thread = await app.aresult(await idle.aenqueue(), 10)
        throw_into(thread)  # while it waits for work
        await app.ajoin(await idle.aenqueue(), 10)  # which it may or may not survive
        assert await app.aresult(await idle.aenqueue(), 10) > 0


async def test_a_handler_in_a_thread_that_goes_on_after_its_timeout_is_reported(
    make: Make, reports: list[BaseException]
) -> None:
    app, go = make(kill_after=0.1), threading.Event()

    @app.task(name="deaf", timeout="50ms", retry=RetryPolicy.none())
    def deaf() -> None:
        go.wait(10)

    async with app.worker({"default": 1}):
        receipt = await deaf.aenqueue()
        while not any(isinstance(error, HandlerStuck) for error in reports):
            await app.clock.sleep(0.01)
        assert (await app.ajob(receipt)).state is State.RUNNING  # type: ignore[union-attr]
        go.set()
        assert (await app.ajoin(receipt, 10)).history[-1].outcome == "timeout"


def test_a_worker_in_a_thread_outlives_what_handlers_do_to_loop_and_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Headrace(f"sqlite:///{tmp_path}/jobs.db", poll=0.02)
    left: list[asyncio.Task[None]] = []

    @app.task(name="hostile")
    async def hostile() -> None:
        async def leave() -> None:
            sys.exit(0)

        moment = time.time()  # noqa: TID251 - what libraries do that freeze it
        for name in ("time", "monotonic"):
            monkeypatch.setattr(time, name, lambda: moment)
        loop = asyncio.get_running_loop()
        left.append(loop.create_task(leave()))
        loop.stop()

    @app.task(name="flaky", retry=RetryPolicy.fixed(2, "50ms", jitter=0))
    async def flaky() -> str:
        if current().attempt == 1:
            raise ValueError("once more")
        return "done"

    with app, app.background():
        assert app.join(hostile.enqueue(), 10).state is State.COMPLETED
        assert app.result(flaky.enqueue(), 10) == "done"
        monkeypatch.undo()
    assert isinstance(left[0].exception(), SystemExit)
