"""A password in HEADRACE_URL is in no process list and in no line that a worker writes, whatever befalls its server."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from headrace.testing.proxy import ProxyThread

SECRET = "pw-of-the-worker"
APP = "from headrace import Headrace\napp = Headrace(poll=0.1)\n\n@app.task\nasync def nothing() -> None: ...\n"


def command_lines(parent: int) -> list[bytes]:
    """Of a process and all that it started."""
    children = [
        int(child)
        for thread in Path(f"/proc/{parent}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    return [Path(f"/proc/{parent}/cmdline").read_bytes(), *(line for pid in children for line in command_lines(pid))]


def test_a_worker_tells_no_password(fresh_postgres: str, tmp_path: Path) -> None:
    (tmp_path / "secretive.py").write_text(APP)
    parts = urlsplit(fresh_postgres)
    with ProxyThread("127.0.0.1", parts.port or 5432) as proxy:
        url = urlunsplit(parts._replace(netloc=f"postgres:{SECRET}@127.0.0.1:{proxy.port}"))
        command = [sys.executable, "-m", "headrace", "worker", "secretive:app"]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "HEADRACE_URL": url, "HEADRACE_PATIENCE": "0.5"},
            stderr=subprocess.PIPE,
            text=True,
        ) as worker:
            assert worker.stderr is not None
            told = _read_until(worker.stderr, "ready")
            lines = command_lines(worker.pid)
            assert len(lines) >= 2
            assert SECRET.encode() not in b"\n".join(lines)
            proxy.ask(lambda it: it.refuse())
            proxy.ask(lambda it: it.cut())
            told += _read_until(worker.stderr, "can't be reached")
            worker.send_signal(signal.SIGTERM)
            told += worker.stderr.read()
    assert "postgresql://postgres:***@127.0.0.1" in told
    assert SECRET not in told


def _read_until(stream: IO[str], word: str) -> str:
    told = ""
    for line in stream:
        told += line
        if word in line:
            return told
    raise AssertionError(f"it ended before it said {word!r}: {told}")
