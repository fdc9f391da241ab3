"""``headrace worker`` on stores that one process writes to, as real processes."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from supervised import Supervised, is_alive, wait_until

from other_process import Other

APP = """
import os
from headrace import Headrace

app = Headrace(os.environ["URL"], poll="100ms")

@app.task(name="t", queue="q")
def t() -> None:
    with open("ran", "a") as file:
        file.write("t\\n")
"""

Start = Callable[..., Supervised]


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if "on_hybrid" in request.node.name:
        return f"hybrid:///{tmp_path}/jobs.snap?interval=50ms&lease=2s"
    return f"file://{tmp_path}/jobs?lease=2s"


@pytest.fixture
def start(tmp_path: Path, url: str) -> Iterator[Start]:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "shop.py").write_text(APP)
    started: list[Supervised] = []

    def begin(*arguments: str) -> Supervised:
        started.append(Supervised(tmp_path / "work", "shop:app", *arguments, URL=url))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def ran(folder: Path) -> int:
    path = folder / "work" / "ran"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_several_processes_are_refused_on_hybrid(start: Start) -> None:
    worker = start("--processes", "2")
    assert worker.end() == 4
    assert "is written to by one process at a time, and 2 worker processes were asked for" in worker.output
    assert worker.children() == []


def test_it_waits_for_an_owner_that_is_about_to_end_on_hybrid(start: Start, url: str, tmp_path: Path) -> None:
    with Other(url) as other:
        other.ask("insert", 3)
        worker = start()
        worker.wait_line("this worker waits up to 2 s for that process to end or to fall silent")
        assert other.ask("close") == []
    worker.wait_ready()
    wait_until(lambda: ran(tmp_path) == 3, "three jobs ran")
    worker.send(signal.SIGTERM)
    assert worker.end() == 0


def test_it_gives_up_where_the_owner_stays_on_object_storage(start: Start, url: str) -> None:
    with Other(url) as other:
        other.ask("insert")
        worker = start()
        assert worker.end() == 4
        assert f"is owned by process {other.pid} on" in worker.output
        assert worker.children() == []
        assert len(other.ask("insert")) == 1


def test_one_that_is_taken_over_ends_and_is_not_started_again_on_object_storage(start: Start, url: str) -> None:
    worker = start()
    (pid,) = worker.wait_ready()
    with Other(f"{url}&takeover=1") as other:
        other.ask("insert")
        assert worker.end() == 4
        assert f"is owned by process {other.pid} on" in worker.output
        assert not is_alive(pid)
        assert len(other.ask("insert")) == 1


def test_one_that_is_killed_is_replaced_by_the_next_owner_at_once_on_hybrid(start: Start) -> None:
    worker = start()
    (pid,) = worker.wait_ready()
    os.kill(pid, signal.SIGKILL)
    worker.wait_ready(2)
    assert "this worker waits" not in worker.output
    worker.send(signal.SIGTERM)
    assert worker.end() == 0
