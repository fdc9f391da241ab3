"""The workers of one process: a job that must run alone has to know what the others run."""

import os
import threading
from weakref import WeakSet

from headrace.runtime.attempts import Attempts


class Company:
    """Workers that share a process, by their attempts. Called from the threads of all of them."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._members: WeakSet[Attempts] = WeakSet()
        self._claiming: set[Attempts] = set()
        self._asking: Attempts | None = None

    def join(self, attempts: Attempts) -> None:
        """A worker that begins. The workers of a forked parent run nothing here."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            self._members.add(attempts)

    def leave(self, attempts: Attempts) -> None:
        """A worker that has ended. Whatever it left running in threads is not waited for."""
        with self._lock:
            self._members.discard(attempts)
            self._claiming.discard(attempts)
        self.release(attempts)

    def begin_claim(self, attempts: Attempts) -> bool:
        """Whether this worker may claim: not while another waits for solitude, or has it."""
        with self._lock:
            if self._asking is not None:
                return False
            self._claiming.add(attempts)
            return True

    def end_claim(self, attempts: Attempts) -> None:
        """What it claimed has begun, and counts."""
        with self._lock:
            self._claiming.discard(attempts)

    def ask(self, attempts: Attempts) -> bool:
        """Whether nothing runs in this process, and what ran is recorded: else a crash now would be taken for that of
        a job that is done. From the first time that a worker asks no other claims, until ``release``; who asks
        meanwhile gets no for an answer."""
        with self._lock:
            if self._asking is None:
                self._asking = attempts
            return self._asking is attempts and not self._claiming and all(one.at_rest for one in self._members)

    def release(self, attempts: Attempts) -> None:
        """It needs solitude no more, or will not get it."""
        with self._lock:
            if self._asking is attempts:
                self._asking = None


COMPANY = Company()
"""That of this process."""
