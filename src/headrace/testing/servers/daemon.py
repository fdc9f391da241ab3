"""A server process with an owner: its pid is known, and it ends when its owner does. One that refuses root is run by an
ordinary user."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_LOOK_AGAIN = 0.01
_LAST_OF_THE_LOG = 2000
_LOWEST_PORT, _PORTS = 20_000, 12_000
_WATCH = """
pid=
while read -r line; do
    [ "$line" = done ] && exit
    pid=$line
done
cd /
if [ -n "$pid" ]; then
    kill -s "$2" "$pid"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        kill -s 0 "$pid" || break
        sleep 0.2
    done
fi
rm -rf -- "$1"
"""
"""Hears which process to end, and ends it when the owner, however it died, has let go of the pipe. PR_SET_PDEATHSIG
would not do: to it a parent is a thread, and so a server that a passing thread restarted would end with that thread."""


class ServerFailed(Exception):
    """A server that was not started, not stopped, or refused what it was told."""


def ordinary_user() -> pwd.struct_passwd | None:
    """Who runs a server for root, which Postgres and PgBouncer refuse to run for; None where we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def run_tool(command: Sequence[str | Path], text: str = "") -> str:
    """What a tool of the server prints, run by the user who runs the server; ServerFailed with what it complained of.

    It sees nothing of our environment, whose PGHOST or PGOPTIONS would lead it elsewhere.
    """
    user = ordinary_user()
    ended = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=_environment(),
        user=user and user.pw_uid,
        group=user and user.pw_gid,
        extra_groups=user and [],
    )
    if ended.returncode != 0:
        raise ServerFailed(f"{Path(command[0]).name} failed: {ended.stderr.strip() or ended.stdout.strip()}")
    return ended.stdout


def free_port() -> int:
    """A loopback port on which nobody listens.

    It is below those that the kernel gives to clients: while a server is down, none of its clients that tries again
    can be given its port, and keep it.
    """
    for step in range(_PORTS):
        port = _LOWEST_PORT + (os.getpid() * 97 + time.monotonic_ns() // 1000 + step) % _PORTS
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed(f"no free port from {_LOWEST_PORT} to {_LOWEST_PORT + _PORTS - 1}")


class Daemon:
    """One server at a time, in a folder that is its own, with its log in it."""

    def __init__(
        self, folder: Path | None, name: str, last_signal: signal.Signals, *, refuses_root: bool = True
    ) -> None:
        """Where we are root, one that ``refuses_root`` is run by an ordinary user."""
        self._user = ordinary_user() if refuses_root else None
        self.folder = _own_folder(folder, name, self._user)
        self.name = name
        self._log = self.folder / "log"
        self._started_at = 0
        self._last_signal = last_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher = subprocess.Popen(
            ["sh", "-c", _WATCH, "watch", self.folder, last_signal.name.removeprefix("SIG")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int | None:
        """The process that runs now; None where none does."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log(self) -> str:
        """What it has written since it was last started."""
        with self._log.open("rb") as log:
            log.seek(self._started_at)
            return log.read().decode(errors="replace")

    def start(self, command: Sequence[str | Path], is_ready: Callable[[], bool], seconds: float) -> None:
        """Returns when it is ready; ServerFailed, with the end of its log, where it ended or took too long."""
        if self.pid is not None:
            raise ServerFailed(f"{self.name} runs already, as process {self.pid}")
        user = self._user
        with self._log.open("ab") as log:
            self._started_at = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(),
                user=user and user.pw_uid,
                group=user and user.pw_gid,
                extra_groups=user and [],
                start_new_session=True,  # a Ctrl-C is for us, and we still need it then
            )
        process = self._process
        self._tell(str(process.pid))
        if not _until(lambda: process.poll() is not None or is_ready(), seconds):
            self.kill()
            raise ServerFailed(f"{self.name} was not ready within {seconds} s: {self.log[-_LAST_OF_THE_LOG:]}")
        if process.poll() is not None:
            self._tell("")
            raise ServerFailed(f"{self.name} ended at once: {self.log[-_LAST_OF_THE_LOG:]}")

    def stop(self, number: signal.Signals, seconds: float) -> None:
        """Returns when it has ended; ServerFailed where it takes longer, and it still runs then."""
        process = self._process
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ServerFailed(f"{self.name} did not end within {seconds} s of {number.name}") from None
        self._process = None
        self._tell("")

    def kill(self) -> None:
        """As a power cut would."""
        self.stop(signal.SIGKILL, 10)

    def close(self) -> None:
        """Ends it, and removes its folder. May be called again."""
        if self._watcher.poll() is None:
            try:
                self.stop(self._last_signal, 10)
            except ServerFailed:
                self.kill()
            self._tell("done")
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        self._watcher.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tell(self, line: str) -> None:
        assert self._watcher.stdin is not None
        self._watcher.stdin.write(f"{line}\n".encode())
        self._watcher.stdin.flush()


def _own_folder(folder: Path | None, name: str, user: pwd.struct_passwd | None) -> Path:
    made = Path(tempfile.mkdtemp(prefix=f"headrace-{name}-")) if folder is None else folder.absolute()
    made.mkdir(exist_ok=True)
    if any(made.iterdir()):
        raise ServerFailed(f"{made} is not empty: name a folder that may be removed with the server")
    if user is not None:
        os.chown(made, user.pw_uid, user.pw_gid)
        for parent in made.parents:
            if not parent.stat().st_mode & stat.S_IXOTH and parent.stat().st_uid != user.pw_uid:
                raise ServerFailed(f"{user.pw_name} can't enter {parent}: name a folder that is open to all, or none")
    return made


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_AGAIN)
    return True
