"""A -wal that was removed under a program: nothing is acknowledged that nobody else will see."""

import sqlite3
import subprocess  # noqa: TID251 - other processes are the subject
import sys
from contextlib import closing
from pathlib import Path

import pytest

from headrace import Headrace
from headrace.model.errors import StoreUnreachable

OTHER = """
from headrace import Headrace

app = Headrace("sqlite:///jobs.db")
print(app.pending_count(), flush=True)
input()
app.close()
"""
PROGRAM = f"""
import subprocess, sys, threading
from pathlib import Path
from headrace import Headrace
from headrace.model.errors import StoreUnreachable

case, idle = sys.argv[1], float(sys.argv[2])
app = Headrace("sqlite:///jobs.db")
print(app.enqueue("t").id)

def open_and_close():
    other = subprocess.Popen([sys.executable, "-c", {OTHER!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    yield
    other.communicate(b"\\n")

closing = open_and_close()
next(closing)
for n in range(4):
    print(app.enqueue("t").id)
if case == "copied":
    Path("copy.db").write_bytes(Path("jobs.db").read_bytes())
list(closing)
while case == "copied" and Path("jobs.db-wal").exists():  # a checkpoint of ours was in its way
    list(open_and_close())
for n in range(5):
    try:
        print(app.enqueue("t").id)
    except StoreUnreachable as error:
        print(error, file=sys.stderr)
threading.Event().wait(idle)
send = [sys.executable, "-m", "headrace", "enqueue", "later", "--storage", "sqlite:///jobs.db"]
print(subprocess.run(send, check=True, capture_output=True, text=True).stdout.strip())
"""
IDLE = 2.0
"""Seconds, of which one is enough for the writer to empty its -wal."""


@pytest.mark.parametrize(("case", "acknowledged"), [("untouched", 11), ("copied", 6)])
@pytest.mark.parametrize("idle", [0.0, IDLE])
def test_what_is_acknowledged_is_there_though_the_program_took_its_own_locks_away(
    tmp_path: Path, case: str, acknowledged: int, idle: float
) -> None:
    command = [sys.executable, "-c", PROGRAM, case, str(idle)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    ids = ran.stdout.split()
    assert len(ids) == acknowledged
    assert ran.stderr.count("restart this program") == 11 - acknowledged
    with Headrace(f"sqlite:///{tmp_path}/jobs.db") as app:
        assert sorted(job.id for job in app.jobs(limit=100)) == sorted(ids)
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_it_does_not_read_what_is_old_either(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    with Headrace(url) as app:
        receipt = app.enqueue("t")
        assert app.job(receipt) is not None
        (tmp_path / "jobs.db").read_bytes()
        look = [sys.executable, "-m", "headrace", "jobs", "--storage", url]
        while (tmp_path / "jobs.db-wal").exists():
            subprocess.run(look, check=True, stdout=subprocess.DEVNULL, timeout=60)
        with pytest.raises(StoreUnreachable, match="has removed its -wal"):
            app.job(receipt)
        with Headrace(url) as again, pytest.raises(StoreUnreachable, match="has removed its -wal"):
            again.job(receipt)
    shown = subprocess.run([*look, "--json"], check=True, capture_output=True, text=True, timeout=60)
    assert receipt.id in shown.stdout
