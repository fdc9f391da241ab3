"""The bad-input table, rows 11 to 16 and 24 to 30, as users meet it. Each test is named after its row.

Row 13 (cron expressions) comes with schedules; rows 17 to 23 are about stores and are tested beside them.
"""

import asyncio
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from headrace import Claim, Headrace, RetryPolicy, State
from headrace.model.errors import (
    AlreadyRegistered,
    AppClosed,
    InvalidArguments,
    InvalidDelay,
    InvalidKey,
    InvalidName,
    InvalidOption,
    PayloadDiffers,
    WrongLoop,
)
from headrace.model.outcome import Snooze, Throttled


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Headrace]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'jobs.db'}"
    with Headrace(url, poll=0.02, retry=RetryPolicy.none()) as app:
        yield app


def kept(app: Headrace) -> int:
    """How many jobs the store has: refused ones leave none."""
    return sum(sum(states.values()) for states in app.counts().values())


BAD_DELAYS = [
    -1,
    -0.001,
    float("nan"),
    float("inf"),
    True,
    "10 years",
    "-5s",
    "",
    "1y",
    "5",
    None,
    11 * 365 * 86400,
    1e300,
]


@pytest.mark.parametrize("delay", [*BAD_DELAYS, 10**400, timedelta(seconds=-1), timedelta(days=4000)], ids=str)
def test_row_11_delays_that_mean_nothing(app: Headrace, delay: Any) -> None:
    task = app.task(name="t")(lambda: None)
    with pytest.raises(InvalidDelay, match="delay="):
        task.using(delay=delay)
    with pytest.raises(InvalidDelay):
        app.enqueue("t", {}, delay=delay)
    for wish in (Snooze, Throttled):
        with pytest.raises(InvalidDelay):
            wish(delay)
    assert kept(app) == 0


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 - naive, as users write it
        datetime(9999, 12, 31, 23, 59, tzinfo=ZoneInfo("America/Los_Angeles")),
        datetime(2100, 1, 1, tzinfo=UTC),
        "2026-01-01T00:00:00Z",
        1_800_000_000,
    ],
    ids=str,
)
def test_row_11_instants_that_mean_nothing(app: Headrace, at: Any) -> None:
    task = app.task(name="t")(lambda: None)
    with pytest.raises(InvalidDelay, match="at="):
        task.using(at=at)
    with pytest.raises(InvalidOption, match="exclude each other"):
        task.using(delay=1, at=datetime(2026, 1, 1, tzinfo=UTC))


def test_row_11_a_fold_is_honoured_and_zero_is_allowed(app: Headrace) -> None:
    task = app.task(name="t")(lambda: None)
    paris = ZoneInfo("Europe/Paris")
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=paris, fold=fold) for fold in (0, 1))
    due = [app.job(task.using(at=at).enqueue()).due_at for at in (first, second)]  # type: ignore[union-attr]
    assert due[1] - due[0] == 3_600_000
    assert app.job(task.using(delay=0).enqueue()).state is State.PENDING  # type: ignore[union-attr]


EVERYWHERE: dict[str, Callable[[Headrace, Any], object]] = {
    "claim(lease=)": lambda app, value: app.claim(lease=value),
    "renew(lease=)": lambda app, value: app.renew(a_claim(app), lease=value),
    "join(timeout=)": lambda app, value: app.join(OLD, timeout=value),
    "result(timeout=)": lambda app, value: app.result(OLD, timeout=value),
    "close(timeout=)": lambda app, value: app.close(timeout=value),
    "queue(lease=)": lambda app, value: app.queue("q", lease=value),
    "queue(retention=)": lambda app, value: app.queue("q", retention=value),
    "task(timeout=)": lambda app, value: app.task(name="other", timeout=value)(lambda: None),
    "task(retention=)": lambda app, value: app.task(name="other", retention=value)(lambda: None),
    "using(timeout=)": lambda app, value: app.enqueue("t", {}, timeout=value),
    "using(retention=)": lambda app, value: app.enqueue("t", {}, retention=value),
    "using(for_=)": lambda app, value: app.enqueue("t", {}, key="k", for_=value),
    "dead_letters(finished_after=)": lambda app, value: app.dead_letters(finished_after=value),
    "dead_letters(finished_before=)": lambda app, value: app.dead_letters(finished_before=value),
    "retry_dead(finished_after=)": lambda app, value: app.retry_dead(finished_after=value),
    "clear_dead_letters(finished_before=)": lambda app, value: app.clear_dead_letters(finished_before=value),
    "set_retention(retention=)": lambda app, value: app.set_retention("q", value),
    "set_retention(retention={})": lambda app, value: app.set_retention("q", {"dead": value}),
    "using(retention={})": lambda app, value: app.enqueue("t", {}, retention={"dead": value}),
    "task(retention={})": lambda app, value: app.task(name="other", retention={"dead": value})(lambda: None),
    "prune_once(older=)": lambda app, value: app.prune_once(older=value),
    "metrics(since=)": lambda app, value: app.metrics(since=value),
    "metrics(until=)": lambda app, value: app.metrics(until=value),
    "timeline(since=)": lambda app, value: app.timeline(since=value),
    "RetryPolicy.fixed": lambda app, value: RetryPolicy.fixed(3, value),
    "RetryPolicy.linear": lambda app, value: RetryPolicy.linear(3, value),
    "RetryPolicy.exponential": lambda app, value: RetryPolicy.exponential(3, value),
    "RetryPolicy(cap=)": lambda app, value: RetryPolicy.exponential(3, cap=value),
    **{
        f"Headrace({option}=)": lambda app, value, option=option: Headrace("memory:", **{option: value})
        for option in ("lease", "beat", "poll", "reap", "grace", "patience", "kill_after", "unknown_task_grace")
    },
    "Headrace(retention=)": lambda app, value: Headrace("memory:", retention={"dead": value}),
}
"""Everything that takes a duration, by what it is given to."""
OLD = "01890000-0000-7000-8000-000000000000"
"""The id of no job."""


def a_claim(app: Headrace) -> Claim:
    app.enqueue("t", {}, queue="by-hand")
    (claim,) = app.claim("by-hand")
    return claim


@pytest.mark.parametrize("place", EVERYWHERE)
def test_row_11_durations_that_mean_nothing_are_refused_everywhere(app: Headrace, place: str) -> None:
    for value in (-1, float("nan"), float("inf"), float("-inf"), True, "soon", "1y", "-5s", b"5s", 1e300, 10**400):
        with pytest.raises(InvalidDelay):
            EVERYWHERE[place](app, value)


@pytest.mark.parametrize("value", [-1, float("nan"), True, "soon"], ids=str)
def test_row_11_durations_of_workers_that_mean_nothing_are_refused(app: Headrace, value: Any) -> None:
    async def main() -> None:
        async with app.worker(["default"]) as worker:
            with pytest.raises(InvalidDelay, match="within="):
                await worker.idle(value)
        await app.handles_here_closed()

    asyncio.run(main())


@pytest.mark.parametrize("value", [-1, 32_768, True, 1.0, "high", None, float("nan")], ids=str)
def test_row_12_priorities_out_of_range(app: Headrace, value: Any) -> None:
    task = app.task(name="t")(lambda: None)
    with pytest.raises(InvalidOption, match="priority="):
        task.using(priority=value)
    if value is not None:
        with pytest.raises(InvalidOption, match="priority="):
            app.task(name="other", priority=value)(lambda: None)


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "3", 10**9], ids=str)
def test_row_12_counts_out_of_range(app: Headrace, value: Any) -> None:
    task = app.task(name="t")(lambda: None)
    with pytest.raises(InvalidOption, match="max_attempts="):
        task.using(max_attempts=value)
    with pytest.raises(InvalidOption, match="max_attempts="):
        RetryPolicy.fixed(value)
    with pytest.raises(InvalidOption, match="concurrency="):
        app.queue("q", concurrency=value)
    with pytest.raises(InvalidOption, match="concurrency="):
        app.scale("q", value)
    with pytest.raises(InvalidOption, match="limit="):
        app.jobs(limit=value)
    with pytest.raises(InvalidOption, match="limit="):
        app.claim(limit=value)
    with pytest.raises(InvalidOption, match="queues"):
        app.run({"q": value})
    with pytest.raises(InvalidOption, match="max_attempts="):
        app.enqueue("t", {}, max_attempts=value)
    for look in (app.dead_letters, app.retry_dead, app.clear_dead_letters):
        if not (value == 10**9 and look is not app.dead_letters):  # that many are allowed where they are not returned
            with pytest.raises(InvalidOption, match="limit="):
                look(limit=value)  # type: ignore[operator]
    for option in ("crash_budget", "max_payload"):
        if value not in ("3", 10**9):  # text is for the environment
            with pytest.raises(InvalidOption, match=f"{option}="):
                Headrace("memory:", **{option: value})
    assert kept(app) == 0


@pytest.mark.parametrize("value", [-1, True, "soon", float("nan"), float("inf")], ids=str)
def test_row_12_times_out_of_range(app: Headrace, value: Any) -> None:
    task = app.task(name="t")(lambda: None)
    for option in ("timeout", "retention"):
        with pytest.raises(InvalidOption, match=f"{option}="):
            task.using(**{option: value})
        with pytest.raises(InvalidOption, match=f"{option}="):
            app.task(name="other", **{option: value})(lambda: None)
    with pytest.raises(InvalidOption, match="jitter="):
        RetryPolicy.fixed(3, jitter=value)
    assert app.registry.get("other") is None


@pytest.mark.parametrize("rate", ["", "10", "fast", "0/s", "1/0s", 10, None, True, 1.5, "1e3/s", "-1/s"], ids=ascii)
def test_row_12_rates_that_mean_nothing(app: Headrace, rate: Any) -> None:
    with pytest.raises(InvalidOption, match=r"rate=.*\"10/s\""):
        app.limit("slack", rate=rate)
    app.limit("slack", rate="1/s")
    with pytest.raises(InvalidOption, match="rate="):
        app.set_limit("slack", rate=rate)
    assert [limit.rate for limit in app.limits()] == ["1/s"]


@pytest.mark.parametrize("burst", [0, -1, True, 1.5, "3", 10**9], ids=str)
def test_row_12_bursts_out_of_range(app: Headrace, burst: Any) -> None:
    with pytest.raises(InvalidOption, match="burst="):
        app.limit("slack", rate="1/s", burst=burst)
    app.limit("slack", rate="1/s")
    with pytest.raises(InvalidOption, match="burst="):
        app.set_limit("slack", burst=burst)


def test_row_12_other_options_of_limits_and_queues(app: Headrace) -> None:
    for limits in (7, {"slack"}, b"slack", None):
        with pytest.raises((InvalidOption, InvalidName), match="limit"):
            app.task(name="t", limits=limits)(lambda: None)  # type: ignore[arg-type]
    for option in ("backoff", "cooldown"):
        with pytest.raises(InvalidOption, match=f"{option}=.*True or False"):
            app.queue("q", **{option: "yes"})
    with pytest.raises(InvalidOption, match="give rate= or burst="):
        app.set_limit("slack")
    with pytest.raises(InvalidName):
        app.set_limit("no name", rate="1/s")
    with pytest.raises(InvalidName):
        Throttled(1, limit="no name")
    assert app.registry.get("t") is None


@pytest.mark.parametrize("key", ["", "k" * 1025, "é" * 513, "a\nb", "\0", "\ud800", b"bytes", 42, None], ids=ascii)
def test_row_14_keys_that_are_no_plain_text(app: Headrace, key: Any) -> None:
    task = app.task(name="t")(lambda: None)
    with pytest.raises(InvalidKey, match="key="):
        task.using(key=key)
    assert kept(app) == 0


def test_row_14_the_same_key_with_another_payload_says_so(app: Headrace) -> None:
    first = app.enqueue("t", {"n": 1}, key="k" * 1024)
    again = app.enqueue("t", {"n": 2}, key="k" * 1024)
    assert (again.id, again.duplicate, again.payload_differs) == (first.id, True, True)
    assert kept(app) == 1


def test_row_14_a_strict_enqueue_refuses_another_payload_and_writes_nothing(app: Headrace) -> None:
    first = app.enqueue("t", {"n": 1}, key="k", strict=True)
    with pytest.raises(PayloadDiffers, match=f"key 'k' is held by job {first.id}"):
        app.enqueue("t", {"n": 2}, key="k", strict=True, kv={"a": 1})
    assert app.enqueue("t", {"n": 1}, key="k", strict=True).duplicate
    assert (kept(app), app.kv_get("a")) == (1, None)


def test_row_14_a_key_is_kept_exactly_and_belongs_to_its_queue(app: Headrace) -> None:
    keys = ["a", "A", " a", "a ", "é", "e\u0301", "%", "a/../b", "'; --", "\u202ea", "k" * 1024]
    receipts = [app.enqueue("t", {}, key=key) for key in keys]
    assert not any(receipt.duplicate for receipt in receipts)
    assert [app.enqueue("t", {}, key=key).id for key in keys] == [receipt.id for receipt in receipts]
    assert not any(app.enqueue("t", {}, key=key, queue="other").duplicate for key in keys)
    assert kept(app) == 2 * len(keys)


@pytest.mark.parametrize("differs", [{"task": "u"}, {"arguments": {"n": "1"}}, {"arguments": b"{}"}], ids=str)
def test_row_14_what_another_task_or_payload_asked_for_is_not_run_and_said(app: Headrace, differs: Any) -> None:
    same: dict[str, Any] = {"task": "t", "arguments": {"n": 1}}
    first = app.enqueue(**same, key="k")
    assert app.enqueue(**same, key="k").payload_differs is False
    again = app.enqueue(**(same | differs), key="k")
    assert (again.id, again.duplicate, again.payload_differs) == (first.id, True, True)


def test_row_15_an_unknown_task_waits_for_a_newer_worker_and_burns_no_attempt(app: Headrace) -> None:
    receipt = app.enqueue("from.the.next.deploy")
    app.run(["default"], until_idle=True)
    job = app.job(receipt)
    assert job is not None
    assert (job.state, job.reason, job.attempt) == (State.SCHEDULED, "unknown_task", 0)


def test_row_15_a_newer_worker_runs_what_an_older_one_parked(app: Headrace) -> None:
    receipt = app.enqueue("from.the.next.deploy")
    app.run(["default"], until_idle=True)
    ran: list[int] = []
    app.task(name="from.the.next.deploy")(lambda: ran.append(1))
    app.run_now(receipt)
    app.run(["default"], until_idle=True)
    job = app.job(receipt)
    assert job is not None
    assert (ran, job.state, job.attempt) == ([1], State.COMPLETED, 1)


def test_row_15_unknown_tasks_stop_no_other_job(app: Headrace) -> None:
    @app.task
    def known() -> str:
        return "fine"

    strangers = [app.enqueue("of.somebody.else", {"n": n}) for n in range(20)]
    receipt = known.enqueue()
    app.run({"default": 1}, until_idle=True)
    assert app.result(receipt, 5) == "fine"
    assert {app.job(stranger).reason for stranger in strangers} == {"unknown_task"}  # type: ignore[union-attr]


def test_row_16_two_tasks_of_one_name_are_refused_at_import(app: Headrace) -> None:
    app.task(name="t")(lambda: None)
    with pytest.raises(AlreadyRegistered, match="give one of them name="):
        app.task(name="t")(lambda: 1)


def test_row_16_arguments_that_dont_fit_are_refused_at_the_caller(app: Headrace) -> None:
    @app.task(name="t")
    def task(to: str, n: int = 1) -> None: ...

    call: Any = task
    for bad in (
        lambda: call.enqueue(),
        lambda: call.enqueue("a", m=2),
        lambda: call.enqueue("a", 1, 2),
        lambda: app.enqueue("t", {}),
        lambda: app.enqueue("t", {"to": "a", "m": 1}),
    ):
        with pytest.raises(InvalidArguments, match="task 't'"):
            bad()
    with pytest.raises(ValueError, match="n"):
        call.enqueue("a", n="1")
    assert kept(app) == 0


def test_row_16_options_that_mean_nothing_are_refused_at_import(app: Headrace) -> None:
    first = app.task(name="t")(lambda: None)
    again: Any = app.task
    with pytest.raises(AlreadyRegistered):
        again(name="t")(lambda: None)
    with pytest.raises(InvalidOption, match="no such option"):
        again(name="u", retries=3)(lambda: None)
    with pytest.raises(InvalidOption, match="executor="):
        again(name="u", executor="threads")(lambda: None)
    with pytest.raises(InvalidOption, match="retry="):
        again(name="u", retry=3)(lambda: None)
    for option in ("retry_on", "give_up_on"):
        with pytest.raises(InvalidOption, match=f"{option}="):
            again(name="u", **{option: [ValueError("an error, not its type")]})(lambda: None)
    assert [handler.name for handler in app.registry.all()] == ["t"]
    assert first.name == "t"


def test_row_16_a_plain_function_never_runs_on_the_loop(app: Headrace) -> None:
    @app.task
    def blocks() -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    receipt = blocks.enqueue()
    app.run(until_idle=True)
    assert app.result(receipt, 5) is False
    with pytest.raises(InvalidOption, match="runs on the loop"):

        @app.task(executor="thread")
        async def wrong() -> None: ...


@pytest.mark.parametrize("code", [0, 1, "bye"])
def test_row_24_a_handler_that_calls_sys_exit_fails_and_the_worker_lives(app: Headrace, code: Any) -> None:
    @app.task
    def leaves() -> None:
        sys.exit(code)

    @app.task
    async def leaves_too() -> None:
        sys.exit(code)

    @app.task
    def fine() -> str:
        return "fine"

    left, left_too, after = leaves.enqueue(), leaves_too.enqueue(), fine.enqueue()
    app.run({"default": 1}, until_idle=True)
    assert app.result(after, 5) == "fine"
    for receipt in (left, left_too):
        job = app.job(receipt)
        assert job is not None
        assert (job.state, job.reason) == (State.DEAD, "exhausted")
        assert (job.last_error or "").startswith("SystemExit")


class Unpicklable(Exception):
    def __init__(self) -> None:
        self.lock = __import__("threading").Lock()

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, StopIteration, StopAsyncIteration, Unpicklable],
)
def test_row_25_whatever_a_handler_raises_is_its_jobs_failure_alone(app: Headrace, error: type[BaseException]) -> None:
    @app.task
    def plain() -> None:
        _raise(error())

    @app.task
    async def on_loop() -> None:
        _raise(error())

    receipts = [plain.enqueue(), on_loop.enqueue()]
    app.run(until_idle=True)
    assert [app.job(receipt).reason for receipt in receipts] == ["exhausted"] * 2  # type: ignore[union-attr]


def test_row_26_a_handler_that_ignores_its_timeout_in_a_thread_is_a_timeout_all_the_same(app: Headrace) -> None:
    go = __import__("threading").Event()

    @app.task(timeout=0.02)
    def deaf() -> str:
        go.wait(0.2)
        return "too late"

    receipt = deaf.enqueue()
    app.run(until_idle=True)
    job = app.job(receipt)
    assert job is not None
    assert [record.outcome for record in job.history] == ["timeout"]


def test_row_27_a_handler_that_changes_its_process_breaks_no_other_job(app: Headrace, monkeypatch: Any) -> None:
    before = warnings.filters[:]

    @app.task
    async def vandal() -> None:
        monkeypatch.chdir("/")
        monkeypatch.setenv("HEADRACE_URL", "nonsense:")
        warnings.simplefilter("error")
        for patched in ("time.time", "time.sleep", "asyncio.sleep"):  # time.monotonic would break asyncio itself
            monkeypatch.setattr(patched, lambda *_: _raise(AssertionError("patched")))

    @app.task
    async def fine(n: int) -> int:
        return n

    first = vandal.enqueue()
    receipts = [fine.enqueue(n) for n in range(5)]
    try:
        app.run({"default": 1}, until_idle=True)
        assert app.job(first).state is State.COMPLETED  # type: ignore[union-attr]
        assert [app.result(receipt, 5) for receipt in receipts] == list(range(5))
    finally:
        monkeypatch.undo()
        warnings.filters[:] = before  # type: ignore[index]


def test_row_28_a_storm_of_stop_orders_loses_nothing(app: Headrace) -> None:
    started = __import__("threading").Event()

    @app.task
    async def long() -> None:
        started.set()
        await app.clock.sleep(60)

    receipts = [long.enqueue() for _ in range(10)]

    async def main() -> None:
        async with app.worker({"default": 3}) as worker:
            while not started.is_set():
                await app.clock.sleep(0.005)
            stops = [asyncio.ensure_future(worker.stop()) for _ in range(20)]
            for _ in range(20):
                worker.hurry()
            await asyncio.gather(*stops)
        await app.handles_here_closed()

    asyncio.run(main())
    jobs = [app.job(receipt) for receipt in receipts]
    assert [(job.state, job.attempt) for job in jobs if job] == [(State.PENDING, 0)] * 10


def test_row_29_a_raw_storage_handle_refuses_another_loop(app: Headrace) -> None:
    async def storage() -> Any:
        return (await app.here()).storage

    async def misuse(handle: Any) -> None:
        with pytest.raises(WrongLoop, match="another event loop"):
            await handle.count()

    async def main() -> None:
        handle = await storage()
        await asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(misuse(handle)))
        await app.handles_here_closed()

    asyncio.run(main())


def test_row_29_after_close_every_call_says_so(app: Headrace) -> None:
    task = app.task(name="t")(lambda: None)
    app.close()
    for call in (app.counts, task.enqueue, lambda: app.run(until_idle=True), lambda: app.claim()):
        with pytest.raises(AppClosed):
            call()


def test_row_30_closing_while_the_interpreter_goes_down_returns_at_once(app: Headrace, monkeypatch: Any) -> None:
    app.enqueue("t")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "is_finalizing", lambda: True)
        app.close()
        with pytest.raises(AppClosed):
            app.counts()
    assert kept(app) == 1
