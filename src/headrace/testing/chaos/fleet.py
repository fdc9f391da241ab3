"""The processes of one run: forked from a parent that has imported everything and opened nothing, or started afresh.

A fork is ready in a hundredth of the time that an interpreter takes to start: so thousands of kills take minutes. The
parent must have no threads, and never opens the store itself.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from msgspec.structs import replace

from headrace.interface.cli.exits import FAILED
from headrace.system.clock import SystemClock
from headrace.testing.chaos.ledger import SUFFIX, clock_offset
from headrace.testing.chaos.roles import ROLES
from headrace.testing.chaos.station import VARIABLE, Station
from headrace.testing.history.reading import read_history

PATIENCE = 60.0
_DIE_WITH_PARENT = 1
_STARTING = 1_000
"""Milliseconds from the first record of a process until it surely listens to signals."""


class Overdue(Exception):
    """Something that must come did not."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"not within {seconds:g} s: {what}")


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Look again and again until ``condition`` holds, or raise Overdue."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Overdue(what, seconds)
        time.sleep(0.01)


class Ship:
    """One process."""

    def __init__(self, station: Station, pid: int) -> None:
        self.station, self.pid = station, pid
        self.role, self.name = station.role, station.name
        self._clock = SystemClock()
        self.started_at = time.monotonic()
        self.hurried_at: int | None = None
        """When it was first told to end, by the clock of its ledger."""
        self.told = 0
        """How often it was told."""
        self.is_bereft = False
        """Whether a process that it looks after was killed."""
        self.code: int | None = None
        """Its exit code, or minus the signal that ended it, once it has ended."""

    def is_alive(self) -> bool:
        """Whether it has not ended. A pid is not given to another process before this was answered with no."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False where it has ended."""
        if not self.is_alive():
            return False
        os.kill(self.pid, number)
        return True

    def hurry(self) -> bool:
        """Tell it to end; False where it has ended."""
        if self.hurried_at is None:
            self.hurried_at = self._clock.boot() + self.station.offset
        self.told += 1
        return self.send(signal.SIGTERM)

    @property
    def ended_well(self) -> bool:
        """Whether it was told to end, and did so in good order.

        What is still starting, or has handed everything back and is at its very end, does not listen to signals: then
        a SIGTERM may end it as it ends any program. A supervisor whose workers were killed meanwhile says so.
        """
        if self.hurried_at is None or self.code is None:
            return False
        if self.code == -signal.SIGTERM:
            return self.told > 1 or self._was_starting
        return self.code == 0 or (self.is_bereft and self.code == FAILED)

    @property
    def _was_starting(self) -> bool:
        """Whether it was told to end before it had written anything, or just then."""
        own, parts = self.station.ledgers / (self.name + SUFFIX), self.station.ledgers.glob(f"{self.name}.*{SUFFIX}")
        records = read_history([path for path in (own, *sorted(parts)) if path.exists()])
        return not records or self.hurried_at is None or self.hurried_at < records[0].at + _STARTING

    def kill(self) -> bool:
        """Kill -9, and wait until it is gone. False where it had ended before."""
        if not self.send(signal.SIGKILL):
            return False
        wait_until(lambda: not self.is_alive(), f"{self.name} is gone after kill -9")
        return True


class Fleet:
    """All processes on one store."""

    def __init__(self, station: Station) -> None:
        self.station = station
        """Of which every process gets one of its own: role and number are filled in at its start."""
        self.folder = Path(station.folder)
        self.ships: list[Ship] = []
        """Those that were not seen to have ended."""
        self.ended: list[Ship] = []
        self.started = 0
        self.store = self.folder / "store"
        """Where the store lies, where that is files."""
        for folder in (station.ledgers, self.store):
            folder.mkdir(parents=True, exist_ok=True)

    # --- starting ----------------------------------------------------------------------------------------------------

    def start(self, role: str, heir_of: str = "", url: str = "") -> Ship:
        """Fork a process into this role; ``heir_of`` is the name of one whose work it takes over, ``url`` another URL
        of the store than its station's."""
        return self._launch(role, lambda station: _end(lambda: ROLES[role](station)), heir_of, url)

    def start_afresh(self, role: str, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Ship:
        """Start an interpreter for this role: ``prefix`` before its command (such as ``strace ...``), ``environment``
        over ours."""
        command = [*prefix, sys.executable, "-m", "headrace.testing.chaos.roles"]
        return self.execute(role, command, environment)

    def execute(self, role: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Ship:
        """Run any program as this role."""

        def run(station: Station) -> NoReturn:
            whole = {**os.environ, **station.environment(), **(environment or {})}
            _end(lambda: os.execvpe(command[0], list(command), whole))

        return self._launch(role, run)

    def _launch(self, role: str, become: Callable[[Station], NoReturn], heir_of: str = "", url: str = "") -> Ship:
        self.started += 1
        # measured anew: over a long run a wall clock that is slewed drifts away from the other
        offset = clock_offset()
        url = url or (self.station.detour if self.started % 2 and self.station.detour else self.station.url)
        station = replace(self.station, url=url, role=role, number=self.started, heir_of=heir_of, offset=offset)
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _end(lambda: self._settle_in(parent), lambda: become(station))
        ship = Ship(station, pid)
        self.ships.append(ship)
        return ship

    def _settle_in(self, parent: int) -> int:
        """A process that ends with its parent, prints into the folder, and is reached by no Ctrl-C."""
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        os.setsid()
        output = os.open(self.folder / "output", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        return 0

    # --- looking -----------------------------------------------------------------------------------------------------

    def living(self, *roles: str) -> list[Ship]:
        """Those that have not ended; with ``roles`` only these. Those that have ended are moved to ``ended``."""
        for ship in [ship for ship in self.ships if not ship.is_alive()]:
            self.ships.remove(ship)
            self.ended.append(ship)
        return [ship for ship in self.ships if not roles or ship.role in roles]

    def children(self, ship: Ship) -> list[int]:
        """The processes that this one started and that live."""
        try:
            text = Path(f"/proc/{ship.pid}/task/{ship.pid}/children").read_text()
        except OSError:
            return []
        return sorted(int(pid) for pid in text.split())

    def strays(self) -> list[int]:
        """All living processes of this run that were started afresh, whoever started them."""
        return [int(name) for name in os.listdir("/proc") if name.isdecimal() and self._is_ours(int(name))]

    def _is_ours(self, pid: int) -> bool:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        mark, folder = f"{VARIABLE}=".encode(), f'"folder":"{self.station.folder}"'.encode()
        return any(each.startswith(mark) and folder in each for each in environment)

    def send(self, pid: int, number: signal.Signals) -> bool:
        """Send a signal to a process that one of ours started: not to another one that was given the same pid."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if not self._is_ours(pid):
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def output(self) -> str:
        """The end of all that was printed."""
        path = self.folder / "output"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    # --- ending ------------------------------------------------------------------------------------------------------

    def end(self, *roles: str, seconds: float = PATIENCE) -> Sequence[Ship]:
        """Ask all of these roles to end; they have once this returns."""
        asked = self.living(*roles)
        for ship in asked:
            ship.hurry()
        wait_until(
            lambda: not any(ship.is_alive() for ship in asked), f"an end of every {' and '.join(roles)}", seconds
        )
        self.living()
        return asked

    def close(self) -> None:
        """Nothing of ours runs any more."""
        for ship in self.living():
            ship.kill()
        self.living()
        deadline = time.monotonic() + PATIENCE
        while left := self.strays():
            for pid in left:
                self.send(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise Overdue(f"an end of {left} after kill -9", PATIENCE)
            time.sleep(0.02)


def _end(*parts: Callable[[], int]) -> NoReturn:
    """Run these as the rest of a forked process: nothing of the parent's stack is ever returned to."""
    code = 1
    try:
        for part in parts:
            code = part()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def fleet(station: Station) -> Iterator[Fleet]:
    """A fleet that is gone afterwards, whatever happens."""
    ships = Fleet(station)
    try:
        yield ships
    finally:
        ships.close()
