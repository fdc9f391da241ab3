"""Faults of the machine, on real processes: disks that are full, read-only or fail, limits, forks, clocks that step."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from headrace import Headrace
from headrace.model.errors import StoreUnreachable
from headrace.testing.chaos.machine.courses import LACKING
from headrace.testing.chaos.machine.rights import tracer

HERE = Path(__file__).parent
Missing = Callable[[str, str], None]

COURSES = {
    "clock-steps": ("2", ["steps"]),
    "disk-full": ("1", ["fills", "refused", "looks"]),
    "file-limit": ("1", ["no_more_files", "looks"]),
    "fork": ("1", ["forks"]),
    "read-only": ("1", ["read_only", "refused", "looks"]),
    "sync-error": ("2", ["injections", "refused"]),
    "write-error": ("2", ["injections", "refused"]),
}
"""How many rounds of each, and what must have happened."""


@pytest.mark.parametrize("name", COURSES)
def test_a_course(name: str, tmp_path: Path, missing: Missing) -> None:
    rounds, counts = COURSES[name]
    command = ["-m", "headrace.testing.chaos", "--storage", "sqlite", "--scenario", name, "--seed", "3"]
    done = run([*command, "--set", f"rounds={rounds}", "--folder", str(tmp_path)])
    if done.returncode == LACKING:
        missing(name, done.stderr.strip())
    line = done.stdout.splitlines()[-1] if done.stdout else ""
    assert line.endswith(" PASS"), f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    found = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+) ", line)}
    assert (found["lost"], found["double_completions"]) == (0, 0)
    assert found["acknowledged"] > 0
    assert all(found.get(count, 0) > 0 for count in counts), line


def run(arguments: Sequence[str], **options: object) -> "subprocess.CompletedProcess[str]":
    """``python`` with these arguments, and its output as text."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


# --- a commit that fails, at each of many moments -------------------------------------------------------------------


@pytest.mark.parametrize("following", ["", "+"], ids=["once", "for good"])
@pytest.mark.parametrize("error", ["fdatasync:error=EIO", "pwrite64:error=EIO", "pwrite64:error=ENOSPC"])
def test_what_was_acknowledged_is_there_and_what_was_refused_is_not(
    tmp_path: Path, missing: Missing, error: str, following: str
) -> None:
    strace = tracer()
    if strace is None:
        missing("strace", "it is not installed, or may not trace")
    call = error.partition(":")[0]
    moments = (7, 11) if call == "fdatasync" else (58, 83)
    for moment in moments:
        database = tmp_path / f"at-{moment}.db"
        inject = ["-e", f"trace={call}", "-e", f"inject={error}:when={moment}{following}"]
        program = [str(HERE / "acknowledging.py"), f"sqlite:///{database}", "20"]
        done = subprocess.run(
            [str(strace), "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", *inject, sys.executable, *program],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        said: dict[str, set[int]] = {"ok": set(), "refused": set(), "unknown": set()}
        for line in done.stdout.splitlines():
            answer, number = line.split()
            said[answer].add(int(number))
        assert sum(map(len, said.values())) == 20, done.stderr
        assert said["refused"] | said["unknown"], f"{error} at {moment} was met by nobody"
        rows = stored(database)
        assert said["ok"] <= rows, "acknowledged, and lost"
        assert not said["refused"] & rows, "refused, and there after all"
        assert rows == said["ok"], "a commit of unknown outcome was written over: the process could still do that"


def stored(database: Path) -> set[int]:
    """The numbers of all jobs in the store, as the next process finds it."""
    with Headrace(f"sqlite:///{database}") as app:
        return {int(re.findall(r"\d+", job.payload)[0]) for job in app.jobs(limit=1000)}


# --- limits and forks -----------------------------------------------------------------------------------------------


def test_where_no_file_may_be_opened_a_call_is_refused_and_later_ones_are_not(tmp_path: Path) -> None:
    done = run(["-c", _NO_MORE_FILES, f"sqlite:///{tmp_path / 'jobs.db'}"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["StoreUnreachable", "1"]
    assert "Too many open files" in done.stdout


_NO_MORE_FILES = """
import os, resource, sys
from headrace import Headrace
from headrace.model.errors import StoreUnreachable

app = Headrace(sys.argv[1])
app.task(name="t")(lambda: None)
before = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
try:
    app.enqueue("t")
except StoreUnreachable as error:
    refusal = error
for descriptor in held:
    os.close(descriptor)
app.enqueue("t")
print(type(refusal).__name__, app.pending_count(), refusal, sep="\\n")
app.close()
"""


def test_where_files_may_not_grow_the_limit_is_named_and_work_goes_on_when_it_is_lifted(tmp_path: Path) -> None:
    done = run(["-c", _NO_GROWTH, f"sqlite:///{tmp_path / 'jobs.db'}"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["StoreFull", "2"]
    assert "the process may write no file beyond 65536 bytes" in done.stdout


_NO_GROWTH = """
import resource, sys
from headrace import Headrace
from headrace.model.errors import StoreFull

app = Headrace(sys.argv[1])
app.task(name="t")(lambda text: None)
app.enqueue("t", {"text": "short"})
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
for _ in range(3):
    try:
        app.enqueue("t", {"text": "x" * 100_000})
    except StoreFull as error:
        refusal = error
resource.setrlimit(resource.RLIMIT_FSIZE, before)
app.enqueue("t", {"text": "x" * 100_000})
print(type(refusal).__name__, app.pending_count(), refusal, sep="\\n")
app.close()
"""


def test_a_forked_child_holds_locks_of_its_own(tmp_path: Path) -> None:
    """Without them the parent, when it closes its app, takes the file for its own and removes what the child writes."""
    for number in range(3):
        database = tmp_path / f"jobs-{number}.db"
        done = run([str(HERE / "inheriting.py"), str(database)])
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["held:", "-shm", "db"]
        with Headrace(f"sqlite:///{database}") as app:
            payloads = [job.payload for job in app.jobs(limit=1000)]
        assert {'{"number":1}', '{"number":2}'} <= set(payloads)


def test_a_store_that_is_gone_has_a_name(tmp_path: Path) -> None:
    """The control of the tests above: an error that is none of the disk's is not taken for one."""
    with Headrace(f"sqlite:///{tmp_path / 'nowhere' / 'jobs.db'}") as app, pytest.raises(StoreUnreachable):
        app.pending_count()
