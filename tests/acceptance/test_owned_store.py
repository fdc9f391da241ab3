"""Commands beside a real process that owns the store: who looks sees it at work, who writes is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

OWNING = Path(__file__).with_name("owning.py")
HEADRACE = Path(sys.executable).with_name("headrace")


@pytest.fixture(params=["hybrid", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "hybrid":
        return f"hybrid:///{tmp_path}/jobs?interval=50ms"
    found: str = request.getfixturevalue("fresh_s3")
    return found


@pytest.fixture
def owner(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that owns the store once it has enqueued, until its stdin is closed."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, str(OWNING), url], stdin=pipe, stdout=pipe, text=True) as running:
        yield running
        running.communicate()
    assert running.returncode == 0


def enqueue(owner: subprocess.Popen[str]) -> str:
    """The id of a job that the owner has enqueued."""
    assert owner.stdin is not None
    assert owner.stdout is not None
    owner.stdin.write("\n")
    owner.stdin.flush()
    return owner.stdout.readline().strip()


def run_all(url: str, commands: Sequence[Sequence[str]]) -> list[tuple[int, str, str]]:
    """What they end with and say, all at once."""
    environment = {**os.environ, "HEADRACE_URL": url}
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen([HEADRACE, *command], env=environment, stdout=pipe, stderr=pipe, text=True)
        for command in commands
    ]
    said = [process.communicate(timeout=60) for process in running]
    return [(process.returncode, out, err) for process, (out, err) in zip(running, said, strict=True)]


def listed(url: str) -> set[str]:
    ((code, out, err),) = run_all(url, [["jobs", "--json"]])
    assert code == 0, err
    found: Any = json.loads(out)
    return {job["id"] for job in found["jobs"]}


def test_others_look_and_may_not_write_and_the_owner_goes_on(url: str, owner: subprocess.Popen[str]) -> None:
    first = enqueue(owner)
    while first not in listed(url):
        pass  # a hybrid writes it down an interval later
    commands = [["show", first], ["doctor"], ["enqueue", "t"], ["cancel", first]]
    shown, doctor, *refused = run_all(url, commands)
    assert (shown[0], doctor[0]) == (0, 0), shown[2] + doctor[2]
    assert f"process {owner.pid} on " in doctor[1]
    assert "alive" in doctor[1]
    for code, _, err in refused:
        assert code == 4
        assert f"owned by process {owner.pid}" in err
        assert "?takeover=1" in err
    second = enqueue(owner)
    while second not in listed(url):
        pass
