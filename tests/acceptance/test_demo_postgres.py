"""The demo on Postgres, whose server crashes in the middle of it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.interface.cli.demo.ledger import read_ledger
from headrace.testing.servers.postgres import PostgresServer

HEADRACE = str(Path(sys.executable).with_name("headrace"))
SECRET = "geheim"
FILES = 600
SOON = 60.0


def row(output: str, label: str) -> int:
    found = re.search(rf"^│ {label} +│ +([\d,]+) │", output, re.MULTILINE)
    assert found is not None, output
    return int(found[1].replace(",", ""))


def wait_for_jobs(server: PostgresServer, database: str, number: int) -> None:
    """Until so many are completed."""
    count = "SELECT count(*) FROM headrace.jobs WHERE state = 'completed'"
    deadline = time.monotonic() + SOON
    while server.run_sql("SELECT count(to_regclass('headrace.jobs'))", database) != "1" or number > int(
        server.run_sql(count, database)
    ):
        assert time.monotonic() < deadline, "the demo does not get on"
        time.sleep(0.05)


@pytest.mark.parametrize("after", [60, 400])
def test_a_server_that_crashes_costs_no_job(own_postgres: PostgresServer, tmp_path: Path, after: int) -> None:
    """Before a worker is killed, and after."""
    database = f"demo_{after}"
    own_postgres.create_database(database)
    url = own_postgres.url(database, "postgres", SECRET)
    options = ["--storage", url, "--files", str(FILES), "--folder", str(tmp_path)]
    with subprocess.Popen([HEADRACE, "demo", *options], stdout=subprocess.PIPE, text=True) as running:
        try:
            wait_for_jobs(own_postgres, database, after)
            own_postgres.restart("immediate")
            output, _ = running.communicate(timeout=100)
        finally:
            running.kill()
    assert running.returncode == 0, output
    assert row(output, "acknowledged") == row(output, "completed") == FILES
    assert row(output, "rescued") >= 1
    assert row(output, "lost") == 0
    assert len(set(read_ledger(tmp_path / "acknowledged.txt"))) == FILES
    assert "--processes 2" in output
    assert "SIGKILL" in output
    assert SECRET not in output + (tmp_path / "worker.log").read_text()
    for words in re.findall(r"^  headrace (.+)$", output, re.MULTILINE):
        again = subprocess.run(
            [HEADRACE, *words.split()],
            capture_output=True,
            text=True,
            timeout=SOON,
            check=False,
            env={**os.environ, "HEADRACE_URL": url},
        )
        assert again.returncode == 0, f"{words}: {again.stdout}{again.stderr}"
