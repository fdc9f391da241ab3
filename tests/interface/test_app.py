"""The app itself: declarations, options, sync twins, workers for sync programs, the end of things."""

import asyncio
import inspect
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from headrace import Headrace, RetryPolicy, State
from headrace.interface.blocking import Blocking
from headrace.interface.config import configure
from headrace.model.errors import AlreadyRegistered, AppClosed, InvalidOption, UseAsync, WrongLoop

# --- sync twins -------------------------------------------------------------------------------------------------------

WITHOUT_TWIN = {"aclose"}  # its twin stands in the app, with a body of its own


def twins() -> list[str]:
    names = {name for name, member in inspect.getmembers(Headrace, inspect.iscoroutinefunction)}
    return sorted(name for name in names if name.startswith("a") and not name.startswith("_"))


def test_there_are_async_methods_to_compare() -> None:
    assert {"aenqueue", "ajob", "acancel", "aclaim", "aresult", "aclose"} <= set(twins())


@pytest.mark.parametrize("name", twins())
def test_every_async_method_has_a_sync_twin_of_the_same_signature(name: str) -> None:
    ours, twin = inspect.signature(getattr(Headrace, name)), inspect.signature(getattr(Headrace, name[1:]))
    assert list(ours.parameters.values()) == list(twin.parameters.values())
    assert ours.return_annotation == twin.return_annotation


@pytest.mark.parametrize(
    "name", sorted(name for name, member in vars(Blocking).items() if inspect.isfunction(member) and name[0] != "_")
)
def test_every_sync_twin_has_its_async_method(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(Headrace, f"a{name}"))


def test_the_twins_of_tasks_have_the_same_parameters() -> None:
    from headrace.interface.task import Bound

    assert str(inspect.signature(Bound.enqueue)) == str(inspect.signature(Bound.aenqueue))


@pytest.mark.anyio
async def test_a_sync_call_on_a_running_loop_names_what_to_use(make: Any) -> None:
    app = make()
    task = app.task(name="t")(lambda: None)
    for call, name in ((app.counts, "acounts"), (task.enqueue, "aenqueue"), (lambda: app.cancel("x"), "acancel")):
        with pytest.raises(UseAsync, match=f"await {name}"):
            call()
    with pytest.raises(UseAsync):
        app.run()
    with pytest.raises(UseAsync), app.background():
        pass
    await app.aclose()


# --- declarations -----------------------------------------------------------------------------------------------------


def test_a_task_is_still_its_function(make: Any) -> None:
    app = make()

    @app.task(name="mail")
    def send(to: str, subject: str = "hi") -> str:
        """Sends."""
        return f"{to}: {subject}"

    assert send("a") == "a: hi"
    assert (send.__name__, send.__doc__, send.name) == ("send", "Sends.", "mail")
    assert repr(send) == "<Task 'mail' on queue 'default'>"


def test_a_task_is_named_after_its_module_and_function(make: Any) -> None:
    app = make()

    @app.task
    def nested() -> None: ...

    assert nested.name == f"{__name__}.test_a_task_is_named_after_its_module_and_function.nested"


def test_a_declared_queue_lends_its_tasks_priority(make: Any) -> None:
    app = make()
    app.queue("mail", priority=5, retention="1h")
    task = app.task(name="t", queue="mail")(lambda: None)
    task.enqueue()
    job = app.jobs()[0]
    assert (job.queue, job.priority, job.options.retention) == ("mail", 5, None)


# --- options ----------------------------------------------------------------------------------------------------------


def test_an_argument_wins_over_the_environment_and_that_over_the_default() -> None:
    environment = {
        "HEADRACE_URL": "memory:",
        "HEADRACE_LEASE": "60",
        "HEADRACE_GRACE": "1m",
        "HEADRACE_CRASH_BUDGET": "5",
        "HEADRACE_AUTO_MIGRATE": "no",
        "HEADRACE_RETENTION": "completed=1h,dead=7d",
    }
    config = configure(None, {"grace": 3}, environment)
    assert (config.url, config.auto_migrate) == ("memory:", False)
    settings = config.settings
    assert (settings.lease, settings.grace, settings.crash_budget, settings.patience) == (60, 3, 5, 10)
    assert settings.keep[State.COMPLETED].age == 3600
    assert settings.keep[State.DEAD].age == 7 * 86400
    assert settings.keep[State.CANCELLED].age == 86400
    assert configure("memory:", {}, {"HEADRACE_URL": "sqlite:///x.db"}).url == "memory:"
    assert configure(None, {}, {}).url == "sqlite:///headrace.db"


def test_a_short_lease_brings_its_beat_along() -> None:
    assert configure(None, {"lease": 3}, {}).settings.beat == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lease", "soon"),
        ("lease", 0),
        ("beat", 20),
        ("poll", -1),
        ("grace", float("nan")),
        ("crash_budget", 0),
        ("crash_budget", True),
        ("crash_budget", 2.5),
        ("max_payload", 0),
        ("auto_migrate", "perhaps"),
        ("retention", {"running": "1h"}),
        ("retention", "24h, please"),
        ("retry", "often"),
        ("leese", 1),
    ],
)
def test_an_option_that_cant_be_used_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=name):
        Headrace("memory:", **{name: value})


def test_queues_are_given_as_mapping_or_list_and_never_as_one_text(make: Any) -> None:
    app = make()
    app.task(name="a", queue="mail")(lambda: None)
    app.task(name="b", queue="slow")(lambda: None)
    assert app.slots(None) == {"mail": 4, "slow": 4}
    assert app.slots({"mail": 10}) == {"mail": 10}
    assert app.slots(["mail"]) == {"mail": 4}
    with pytest.raises(InvalidOption, match="a mapping of queues to slots, or a list"):
        app.slots("mail")
    for wrong in ({}, [], {"mail": 0}, {"mail": True}, {"mail": 1.5}):
        with pytest.raises(InvalidOption, match="queues"):
            app.slots(wrong)
    assert make().slots(None) == {"default": 4}


# --- workers for sync programs ----------------------------------------------------------------------------------------


def test_a_sync_program_enqueues_runs_until_idle_and_reads_results(app: Headrace) -> None:
    @app.task
    def double(n: int) -> int:
        return n * 2

    receipts = app.enqueue_many([double.call(n) for n in range(10)])
    app.run({"default": 3}, until_idle=True)
    assert [app.result(receipt, 5) for receipt in receipts] == [n * 2 for n in range(10)]
    app.run(until_idle=True)  # again, on a loop of its own


def test_listeners_have_seen_everything_when_run_returns(app: Headrace) -> None:
    seen: list[str] = []
    app.on("queue.job.completed")(lambda event: seen.append(event.job_id))
    task = app.task(name="t")(lambda: None)
    receipts = [task.enqueue() for _ in range(20)]
    app.run(until_idle=True)
    assert sorted(seen) == sorted(receipt.id for receipt in receipts)


def test_a_worker_in_the_background_serves_a_sync_program(app: Headrace) -> None:
    @app.task
    async def double(n: int) -> int:
        return n * 2

    with app.background({"default": 4}):
        assert app.result(double.enqueue(21), 10) == 42
    assert app.inflight_count() == 0


@pytest.mark.parametrize("when", ["start", "stop"])
def test_a_hook_that_raises_in_the_background_is_raised_here(make: Any, when: str) -> None:
    app = make()
    (app.on_worker_start if when == "start" else app.on_worker_stop)(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError), app.background():
        assert when == "stop"


def test_run_until_idle_does_not_take_a_broken_storage_for_an_idle_one(make: Any, monkeypatch: Any) -> None:
    from headrace.model.errors import StoreUnreachable
    from headrace.storage.memory import MemoryStorage

    async def broken(self: Any, *_: Any, **__: Any) -> Any:
        raise StoreUnreachable("here", "test")

    app = make()
    monkeypatch.setattr(MemoryStorage, "find", broken)
    with pytest.raises(StoreUnreachable):
        app.run(["default"], until_idle=True)


def test_housekeeping_rescues_beside_manual_claims(make: Any) -> None:
    app = make(reap=0.02)

    async def main() -> None:
        receipt = await app.aenqueue("by.hand")
        assert await app.aclaim(lease=0.03)
        async with app.housekeeping():
            for _ in range(500):
                job = await app.ajob(receipt)
                if job.state is not State.RUNNING:
                    break
                await app.clock.sleep(0.01)
        assert (job.state, job.crashes) == (State.RETRYING, 1)
        await app.aclose()

    asyncio.run(main())


def test_housekeeping_serves_sync_programs_too(make: Any) -> None:
    app = make(reap=0.02)
    receipt = app.enqueue("by.hand")
    assert app.claim(lease=0.03)
    with app.housekeeping():
        for _ in range(500):
            job = app.job(receipt)
            if job.state is not State.RUNNING:
                break
            threading.Event().wait(0.01)
    assert (job.state, job.crashes) == (State.RETRYING, 1)
    app.close()


# --- the end of things ------------------------------------------------------------------------------------------------


def test_a_closed_app_says_so_and_closing_again_is_fine(url: str) -> None:
    app = Headrace(url)
    app.enqueue("t")
    app.close()
    app.close()
    with pytest.raises(AppClosed):
        app.counts()
    with pytest.raises(AppClosed):
        app.enqueue("t")

    async def main() -> None:
        with pytest.raises(AppClosed):
            await app.acounts()
        with pytest.raises(AppClosed):
            async with app.worker():
                pass
        await app.aclose()

    asyncio.run(main())


def test_with_closes_both_ways(url: str) -> None:
    with Headrace(url) as app:
        app.enqueue("t")

    async def main() -> None:
        async with Headrace(url) as second:
            await second.aenqueue("t")
        with pytest.raises(AppClosed):
            await second.acounts()

    asyncio.run(main())
    with pytest.raises(AppClosed):
        app.counts()


def test_closing_from_another_loop_closes_the_portals_handle(url: str) -> None:
    app = Headrace(url)
    app.enqueue("t")
    asyncio.run(app.aclose())
    with pytest.raises(AppClosed):
        app.counts()


def child(work: Any) -> int:
    """Runs ``work`` in a forked child: its exit code, 99 where it hung."""
    fork = getattr(os, "fork")  # noqa: B009 - what gunicorn does
    pid = fork()
    if pid == 0:
        code = 98
        try:
            import signal

            signal.signal(signal.SIGALRM, lambda *_: os._exit(99))
            signal.alarm(10)
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_after_a_fork_the_child_opens_a_handle_of_its_own(tmp_path: Path) -> None:
    app = Headrace(f"sqlite:///{tmp_path / 'jobs.db'}")
    app.on("queue.job.queued")(lambda event: None)
    app.enqueue("in.parent")

    def work() -> int:
        app.enqueue("in.child")
        app.close()
        return 0

    assert child(work) == 0
    assert app.pending_count() == 2
    app.close()


def test_after_a_fork_jobs_in_memory_are_refused_in_the_child(tmp_path: Path) -> None:
    app = Headrace("memory:")
    app.enqueue("in.parent")

    def work() -> int:
        try:
            app.enqueue("in.child")
        except WrongLoop:
            return 7
        return 1

    assert child(work) == 7
    assert app.pending_count() == 1
    app.close()


PROGRAM = """
import signal, sys, threading, os
from headrace import Headrace
app = Headrace({url!r}, poll=0.02)
{body}
"""


def program(tmp_path: Path, url: str, body: str) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(url=url, body=body))
    return path


async def run(path: Path, *, signals: int = 0, **environment: str) -> tuple[int, str, str]:
    """Runs the program; sends SIGTERM so many times after its first line of output."""
    start = getattr(asyncio, "create_subprocess_exec")  # noqa: B009 - a program of a user
    process = await start(
        sys.executable,
        "-W",
        "error",
        str(path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(30):
            first = b""
            if signals:
                first = await process.stdout.readline()
                for _ in range(signals):
                    process.terminate()
                    await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.3)
            out, error = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode, (first + out).decode(), error.decode()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        "app.on('queue.job.queued')(lambda event: None)\napp.enqueue('t')",
        "app.enqueue('t')\nimport atexit\natexit.register(app.enqueue, 't')",
        "app.enqueue('t')\nclass Late:\n    def __del__(self): app.close()\nlate = Late()",
        "task = app.task(name='t')(lambda: None)\nbackground = app.background()\n"
        "background.__enter__()\nprint(app.result(task.enqueue(), 10))",
    ],
    ids=["open", "atexit", "del", "background"],
)
async def test_a_program_that_ends_with_an_open_app_neither_hangs_nor_complains(
    tmp_path: Path, url: str, body: str
) -> None:
    code, _, error = await run(program(tmp_path, url, body))
    assert (code, error) == (0, "")


GRACEFUL = """
started = threading.Event()
@app.task(name="slow")
def slow(seconds: float) -> None:
    print("started", flush=True)
    threading.Event().wait(seconds)
    print("ended", flush=True)
slow.enqueue({seconds})
app.run()
job = app.jobs()[0]
print(job.state, job.attempt, flush=True)
"""


@pytest.mark.anyio
async def test_the_first_sigterm_lets_jobs_finish(tmp_path: Path, url: str) -> None:
    code, out, error = await run(program(tmp_path, url, GRACEFUL.format(seconds=0.8)), signals=1)
    assert (code, out.split("\n"), error) == (0, ["started", "ended", "completed 1", ""], "")


@pytest.mark.anyio
async def test_the_second_sigterm_hands_them_back_and_a_storm_loses_nothing(tmp_path: Path, url: str) -> None:
    path = program(tmp_path, url, GRACEFUL.format(seconds=20))
    code, out, error = await run(path, signals=2)
    assert (code, out.split("\n"), error) == (0, ["started", "pending 0", ""], "")


REPLACED = """
import signal
@app.task(name="slow")
def slow() -> None:
    threading.Event().wait(1.3)
    print("started", flush=True)
    threading.Event().wait(0.5)
    print("ended", flush=True)
@app.task(name="rude")
async def rude() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
rude = rude.enqueue()
slow.enqueue()
app.run()
print(sorted(str(job.state) for job in app.jobs()), flush=True)
"""


@pytest.mark.anyio
async def test_a_signal_handler_that_a_handler_replaced_is_set_again(tmp_path: Path, url: str) -> None:
    code, out, error = await run(program(tmp_path, url, REPLACED), signals=1)
    assert (code, out.split("\n"), error) == (0, ["started", "ended", "['completed', 'completed']", ""], "")


def test_two_tasks_of_one_name_are_refused(make: Any) -> None:
    app = make()
    app.task(name="t")(lambda: None)
    with pytest.raises(AlreadyRegistered, match="registered twice"):
        app.task(name="t")(lambda: None)
    assert app.registry.get("t") is not None
    assert RetryPolicy.none().max_attempts == 1
