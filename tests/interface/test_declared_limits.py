"""Limits over real threads, processes and stores: declared, changed, acquired."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import Headrace, RetryPolicy, State, acquire_sync
from headrace.model.errors import UnknownLimit

LONG = 10.0

IN_PROCESS = """
from headrace import Headrace, RetryPolicy, acquire, acquire_sync

app = Headrace("memory:", retry=RetryPolicy.none(), poll=0.02)
app.limit("slack", rate="10/s")


@app.task(executor="process")
def acquires() -> None:
    acquire_sync("slack")


@app.task(executor="process")
async def acquires_too() -> None:
    await acquire("slack")


@app.task(executor="process", limits=["slack"])
def limited() -> str:
    return "ran"
"""


def test_a_handler_in_a_thread_acquires(app: Headrace) -> None:
    app.limit("slack", rate="1/h", burst=2)
    app.queue("default", backoff=False)
    threads: list[str] = []
    throttled, completed = threading.Event(), threading.Semaphore(0)
    app.on("queue.job.throttled")(lambda _: throttled.set())
    app.on("queue.job.completed")(lambda _: completed.release())

    @app.task(retry=RetryPolicy.none())
    def post() -> None:
        acquire_sync("slack")
        threads.append(threading.current_thread().name)

    app.enqueue_many([post.call() for _ in range(3)])
    with app.background({"default": 3}):
        assert throttled.wait(LONG)
        assert completed.acquire(timeout=LONG)
        assert completed.acquire(timeout=LONG)
    assert len(threads) == 2
    assert threading.current_thread().name not in threads
    (waiting,) = [job for job in app.jobs() if job.state is State.SCHEDULED]
    assert (waiting.reason, waiting.attempt) == ("throttled", 0)
    assert waiting.due_at - waiting.enqueued_at > 1_000_000


@pytest.fixture
def in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "limited_processes.py").write_text(IN_PROCESS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(path for path in sys.path if path)}")
    import limited_processes  # type: ignore[import-not-found]

    with limited_processes.app:
        yield limited_processes
    sys.modules.pop("limited_processes")


def test_in_a_process_acquire_says_what_to_do_instead(in_process: Any) -> None:
    app = in_process.app
    receipts = [in_process.acquires.enqueue(), in_process.acquires_too.enqueue(), in_process.limited.enqueue()]
    with app.background({"default": 2}):
        for receipt in receipts[:2]:
            error = app.join(receipt, LONG).last_error
            assert "that process has no store; name the limit on the task instead" in error
        assert app.result(receipts[2], LONG) == "ran"


def test_what_an_operator_set_outlives_the_program(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with Headrace(url) as first:
        first.limit("slack", rate="10/s")
        first.set_limit("slack", rate="2/m")
        assert [(limit.rate, limit.burst) for limit in first.limits()] == [("2/m", 10)]
    with Headrace(url) as operator:
        assert [limit.name for limit in operator.limits()] == ["slack"]
        operator.set_limit("slack", burst=3)
    with Headrace(url) as again:
        again.limit("slack", rate="10/s")
        assert [(limit.rate, limit.burst) for limit in again.limits()] == [("2/m", 3)]
    with Headrace(url) as changed:
        changed.limit("slack", rate="20/s")
        assert [(limit.rate, limit.burst) for limit in changed.limits()] == [("20/s", 20)]


def test_who_only_looks_needs_no_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"

    def declare(app: Headrace) -> None:
        app.limit("slack", rate="10/s")
        app.queue("q", concurrency=3)

    with Headrace(url) as first:
        declare(first)
        first.limits()
        version = first.block("look", lambda: _versions(first))
    with Headrace(url) as second:
        declare(second)
        second.limits()
        assert second.block("look", lambda: _versions(second)) == version


async def _versions(app: Headrace) -> list[int]:
    storage = (await app.here()).storage
    return [record.version for kind in ("limit", "queue") for record in await storage.records(kind)]


def test_a_task_of_an_unknown_limit_is_refused_before_anything_is_written(app: Headrace) -> None:
    @app.task(name="t", limits="nobody.knows")
    def task() -> None: ...

    for enqueue in (task.enqueue, lambda: app.enqueue("t"), lambda: app.enqueue_many([task.call()])):
        with pytest.raises(UnknownLimit, match=r"nobody\.knows"):
            enqueue()
    with pytest.raises(UnknownLimit):
        app.run(until_idle=True)
    assert app.counts() == {}
