"""What a handler answers, and what becomes of its job. In virtual time."""

import asyncio
import sys
import threading

import pytest
from stand import EXACT, Stand, gaps_of, settle_loop

from headrace import Cancelled, PermanentFailure, RetryPolicy, Snooze, State, Throttled, current
from headrace.model.errors import ResultNotKept

pytestmark = pytest.mark.anyio


class BrokenText(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text for you")


class NamelessKind(type):
    @property
    def __name__(cls) -> str:
        raise ValueError("no name for you")


class Nameless(Exception, metaclass=NamelessKind):
    pass


class Classless(Exception):
    @property
    def __class__(self) -> type:
        raise ValueError("no class for you")


class OddText(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


def dig(depth: int = 0) -> int:
    return dig(depth + 1) + 1


def groups(depth: int) -> BaseException:
    """Sixty-one objects, and as text 2**60 of them."""
    error: Exception = ValueError("inmost")
    for _ in range(depth):
        error = ExceptionGroup("many", [error, error])
    return error


def circle() -> BaseException:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


ODD = {
    "SystemExit": lambda: sys.exit(0),
    "SystemExit of an object": lambda: sys.exit(object()),  # type: ignore[arg-type]
    "BaseException": lambda: throw(BaseException("base")),
    "KeyboardInterrupt": lambda: throw(KeyboardInterrupt()),
    "CancelledError": lambda: throw(asyncio.CancelledError()),
    "GeneratorExit": lambda: throw(GeneratorExit()),
    "ExceptionGroup": lambda: throw(ExceptionGroup("many", [ValueError("a"), KeyError("b")])),
    "BaseExceptionGroup": lambda: throw(BaseExceptionGroup("many", [KeyboardInterrupt(), SystemExit(0)])),
    "ExceptionGroup of groups": lambda: throw(groups(60)),
    "ValueError in a circle": lambda: throw(circle()),
    "BrokenText": lambda: throw(BrokenText()),
    "OddText": lambda: throw(OddText()),
    "Nameless": lambda: throw(Nameless()),
    "Classless": lambda: throw(Classless()),
    "Unpicklable": lambda: throw(Unpicklable()),
    "StopAsyncIteration": lambda: throw(StopAsyncIteration()),
    "RecursionError": dig,
    "ValueError": lambda: throw(ValueError("\ud800 \0 and a lone surrogate")),
}


def throw(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("where", ["loop", "thread"])
@pytest.mark.parametrize("kind", ODD)
async def test_whatever_a_handler_raises_is_a_failed_attempt_and_the_worker_lives(
    stand: Stand, kind: str, where: str
) -> None:
    if where == "loop":

        @stand.app.task(name="odd", retry=RetryPolicy.none())
        async def odd() -> None:
            ODD[kind]()
    else:

        @stand.app.task(name="odd", retry=RetryPolicy.none())
        def odd_too() -> None:
            ODD[kind]()

    @stand.app.task(name="next")
    async def fine() -> int:
        return 1

    async with stand.app.worker({"default": 1}):
        dead = await stand.app.ajoin(await stand.app.aenqueue("odd"), 60)
        assert await stand.app.aresult(await fine.aenqueue(), 60) == 1
    assert (dead.state, dead.reason, dead.attempt) == (State.DEAD, "exhausted", 1)
    assert dead.history[-1].failure is not None
    assert dead.history[-1].failure.kind == kind.split()[0]


async def test_a_handler_that_raises_stop_iteration_fails(stand: Stand) -> None:
    @stand.app.task(retry=RetryPolicy.none())
    async def odd() -> None:
        raise StopIteration

    dead = await stand.final(await odd.aenqueue())
    assert (dead.state, dead.reason) == (State.DEAD, "exhausted")


async def test_a_failure_names_its_causes_and_is_bounded(stand: Stand) -> None:
    @stand.app.task(retry=RetryPolicy.none())
    async def fails() -> None:
        try:
            raise KeyError("root")
        except KeyError as error:
            raise ValueError("x" * 100_000) from error

    dead = await stand.final(await fails.aenqueue())
    failure = dead.history[-1].failure
    assert failure is not None
    assert failure.message.endswith("… (cut)")
    assert len(failure.message.encode()) == 8 * 1024
    assert "KeyError: 'root'" in failure.traceback or failure.traceback.endswith("… (cut)")


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy.fixed(4, 3, jitter=0), [3, 3, 3]),
        (RetryPolicy.linear(4, 2, jitter=0), [2, 4, 6]),
        (RetryPolicy.exponential(4, 1, jitter=0), [1, 2, 4]),
        (RetryPolicy.exponential(4, 100, cap=150, jitter=0), [100, 150, 150]),
        (RetryPolicy.none(), []),
    ],
)
async def test_retries_come_after_exactly_what_the_formula_says(
    stand: Stand, policy: RetryPolicy, delays: list[float]
) -> None:
    starts: list[float] = []

    @stand.app.task(retry=policy)
    async def fails() -> None:
        starts.append(stand.now)
        raise ValueError("no")

    dead = await stand.final(await fails.aenqueue())
    assert dead.attempt == policy.max_attempts == len(starts)
    assert gaps_of(starts) == pytest.approx(delays, abs=0.01)


async def test_only_errors_of_retry_on_are_tried_again(stand: Stand) -> None:
    @stand.app.task(retry=EXACT, retry_on=OSError)
    async def fails(error: str) -> None:
        raise {"os": ConnectionError, "value": ValueError}[error]("no")

    async with stand.app.worker():
        tried = await stand.app.ajoin(await fails.aenqueue("os"), "1h")
        refused = await stand.app.ajoin(await fails.aenqueue("value"), "1h")
    assert (tried.attempt, tried.reason) == (3, "exhausted")
    assert (refused.attempt, refused.reason) == (1, "given_up")


async def test_errors_of_give_up_on_are_final_even_where_retry_on_names_them(stand: Stand) -> None:
    @stand.app.task(retry=EXACT, retry_on=OSError, give_up_on=[ConnectionError])
    async def fails() -> None:
        raise ConnectionRefusedError

    dead = await stand.final(await fails.aenqueue())
    assert (dead.attempt, dead.reason) == (1, "given_up")


async def test_the_jobs_own_options_win_over_its_tasks(stand: Stand) -> None:
    starts: list[float] = []

    @stand.app.task(retry=EXACT)
    async def fails() -> None:
        starts.append(stand.now)
        raise ValueError

    policy = RetryPolicy.fixed(5, 10, jitter=0)
    dead = await stand.final(await fails.using(max_attempts=2, retry=policy).aenqueue())
    assert dead.attempt == 2
    assert starts[1] - starts[0] == pytest.approx(10, abs=0.01)


async def test_a_queues_policy_stands_between_the_tasks_and_the_apps(stand: Stand) -> None:
    stand.app.queue("default", retry=RetryPolicy.fixed(2, 7, jitter=0))
    starts: list[float] = []

    @stand.app.task
    async def fails() -> None:
        starts.append(stand.now)
        raise ValueError

    await stand.final(await fails.aenqueue())
    assert gaps_of(starts) == pytest.approx([7], abs=0.01)


async def test_a_queue_without_backoff_retries_at_once(stand: Stand) -> None:
    stand.app.queue("default", backoff=False)
    starts: list[float] = []

    @stand.app.task
    async def fails() -> None:
        starts.append(stand.now)
        raise ValueError

    await stand.final(await fails.aenqueue())
    assert starts[-1] - starts[0] < 0.01
    assert len(starts) == 3


@pytest.mark.parametrize("wish", [Snooze("5m"), Throttled(300)])
async def test_snoozed_and_throttled_jobs_come_back_and_burn_no_attempt(stand: Stand, wish: Exception) -> None:
    starts: list[float] = []

    @stand.app.task(retry=RetryPolicy.none())
    async def waits() -> str:
        starts.append(stand.now)
        if len(starts) < 3:
            raise wish
        return "done"

    receipt = await waits.aenqueue()
    async with stand.app.worker():
        await stand.pass_time(1)
        assert (await stand.job(receipt)).state is State.SCHEDULED
        job = await stand.app.ajoin(receipt, "1h")
    assert (job.state, job.attempt) == (State.COMPLETED, 1)
    assert starts[-1] - starts[0] == pytest.approx(600, abs=0.1)


async def test_a_permanent_failure_is_dead_now(stand: Stand) -> None:
    @stand.app.task
    async def refuses() -> None:
        raise PermanentFailure("bad address")

    dead = await stand.final(await refuses.aenqueue())
    assert (dead.state, dead.reason, dead.attempt) == (State.DEAD, "permanent", 1)
    assert dead.last_error == "PermanentFailure: bad address"


async def test_a_handler_may_cancel_its_job_with_any_reason(stand: Stand) -> None:
    @stand.app.task
    async def leaves() -> None:
        raise Cancelled("\ud800" + "x" * 100_000)

    job = await stand.final(await leaves.aenqueue())
    assert job.state is State.CANCELLED
    assert len((job.last_error or "").encode()) < 10_000


async def test_an_async_handler_is_cancelled_at_its_timeout_before_any_retry(stand: Stand) -> None:
    log: list[tuple[str, float]] = []

    @stand.app.task(timeout=5, retry=RetryPolicy.fixed(2, 0, jitter=0))
    async def hangs() -> None:
        log.append(("start", stand.now))
        try:
            await stand.pass_time(100)
        finally:
            await stand.pass_time(2)
            log.append(("end", stand.now))

    dead = await stand.final(await hangs.aenqueue())
    begin = log[0][1]
    assert [(what, round(at - begin)) for what, at in log] == [("start", 0), ("end", 7), ("start", 7), ("end", 14)]
    assert [record.outcome for record in dead.history] == ["timeout", "timeout"]
    assert dead.last_error == "Timeout: ran longer than timeout=5 s"


async def test_the_jobs_own_timeout_wins_and_zero_is_without_limit(stand: Stand) -> None:
    @stand.app.task(timeout=1, retry=RetryPolicy.none())
    async def slow() -> None:
        await stand.pass_time(10)

    async with stand.app.worker():
        assert (await stand.app.ajoin(await slow.aenqueue(), 60)).state is State.DEAD
        assert (await stand.app.ajoin(await slow.using(timeout=0).aenqueue(), 60)).state is State.COMPLETED


async def test_a_result_that_cant_be_kept_is_named_and_the_job_completes_once(stand: Stand) -> None:
    runs: list[object] = []

    @stand.app.task
    async def returns(kind: str) -> object:
        runs.append(kind)
        return {"large": "x" * 1_100_000, "odd": object(), "nan": float("nan")}[kind]

    async with stand.app.worker():
        jobs = [await stand.app.ajoin(await returns.aenqueue(kind), 60) for kind in ("large", "odd", "nan")]
        for job in jobs:
            with pytest.raises(ResultNotKept):
                await stand.app.aresult(job)
    assert [job.state for job in jobs] == [State.COMPLETED] * 3
    assert all(job.result is None and job.result_error for job in jobs)
    assert "limit of 1,048,576 bytes" in (jobs[0].result_error or "")
    assert len(runs) == 3


async def test_current_tells_a_handler_what_it_runs_for(stand: Stand) -> None:
    @stand.app.task(retry=EXACT)
    async def asks() -> list[object]:
        me = current()
        if me.attempt == 1:
            raise ValueError
        return [me.job.task, me.attempt, me.fence, me.cancelled]

    receipt = await asks.aenqueue()
    await stand.final(receipt)
    assert await stand.app.aresult(receipt) == [asks.name, 2, 2, False]


async def test_a_handlers_context_variables_and_cancellations_end_with_it(stand: Stand) -> None:
    from contextvars import ContextVar

    user: ContextVar[str] = ContextVar("user", default="nobody")
    seen: list[str] = []

    @stand.app.task(retry=RetryPolicy.none())
    async def leaves_traces(n: int) -> None:
        seen.append(user.get())
        user.set(f"user {n}")
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # delivered at the next wait, which is the next handler's

    receipts = [await leaves_traces.aenqueue(n) for n in range(6)]
    async with stand.app.worker({"default": 3}) as worker:
        await worker.idle()
    assert seen == ["nobody"] * 6
    assert {(await stand.job(receipt)).state for receipt in receipts} == {State.COMPLETED}


async def test_arguments_that_dont_decode_fail_the_attempt(stand: Stand) -> None:
    receipt = await stand.app.aenqueue("later", {"n": "text"})

    @stand.app.task(name="later", retry=RetryPolicy.none())
    async def later(n: int) -> None: ...

    dead = await stand.final(receipt)
    assert dead.state is State.DEAD
    assert "PayloadUnreadable" in (dead.last_error or "")


async def test_bytes_reach_the_handler_as_they_were(stand: Stand) -> None:
    got: list[object] = []

    @stand.app.task(name="raw")
    async def raw(data: bytes) -> None:
        got.append(data)

    await stand.final(await stand.app.aenqueue("raw", b"\x00\xff"))
    assert got == [b"\x00\xff"]
    await settle_loop()
