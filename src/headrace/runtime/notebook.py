"""What handlers tell of their work, gathered in memory and written off their path; and what shall come with the
completion of their jobs. Attempts that use none of it leave nothing here."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.change import Change
from headrace.model.errors import AttemptEnded, InvalidOption
from headrace.model.job import NewJob, Notes
from headrace.model.notes import merged
from headrace.model.record import Put
from headrace.model.state import State
from headrace.runtime.attempt import Attempt
from headrace.storage.contract import Storage
from headrace.system.clock import Clock

PAUSE = 0.5
"""Seconds from the first note to the write: a handler that counts to a million costs two writes a second."""
MOST_FOLLOWING = 1_000
"""Jobs, and records, that may come with one completion."""
_MOST_WRITTEN = 200
"""Attempts whose notes go into one write."""
_UNTIL_WOKEN = 3600.0
_NOTHING = Notes()


class Page:
    """Of one attempt."""

    __slots__ = ("jobs", "notes", "puts")

    def __init__(self) -> None:
        self.notes = _NOTHING
        """What is not written yet."""
        self.jobs: tuple[NewJob, ...] = ()
        self.puts: dict[str, Put] = {}

    def follow(self, jobs: Sequence[NewJob], puts: Sequence[Put]) -> None:
        """These shall come with the completion; a later put of one name stands."""
        following, records = (*self.jobs, *jobs), self.puts | {put.name: put for put in puts}
        if max(len(following), len(records)) > MOST_FOLLOWING:
            allowed = f"at most {MOST_FOLLOWING:,} may come with one completion; call enqueue_many instead"
            raise InvalidOption("then" if jobs else "kv", max(len(following), len(records)), allowed)
        self.jobs, self.puts = following, records

    def added_to(self, change: Change) -> Change:
        """``change`` with the notes, and with what shall follow, where it completes the job."""
        if self.notes is not _NOTHING:
            change = replace(change, patch=replace(change.patch, notes=self.notes))
        if change.patch.state is State.COMPLETED and (self.jobs or self.puts):
            change = replace(change, then=self.jobs, puts=tuple(self.puts.values()))
        return change


class WorkerNotebook:
    """One for a worker."""

    def __init__(self, storage: Storage, clock: Clock, wake: Callable[[], None]) -> None:
        self._storage, self._clock, self._wake = storage, clock, wake
        self._lock = threading.Lock()
        self.pages: dict[Attempt, Page] = {}
        """What attempts told and is not written. Empty while handlers tell nothing: then no attempt pays for it."""
        self._write_at: float | None = None
        self.writing: frozenset[Attempt] = frozenset()
        """Attempts whose notes are on their way."""
        self._written = asyncio.Event()

    def note(self, attempt: Attempt, notes: Notes) -> None:
        with self._lock:
            page = self.pages.setdefault(attempt, Page())
            page.notes = merged(page.notes, notes)
            if attempt.ended:  # looked at once the page is there: ``finish`` looks for one once it has ended
                del self.pages[attempt]
                return
            wakes = self._write_at is None
            if wakes:
                self._write_at = self._clock.monotonic() + PAUSE
        if wakes:
            self._wake()

    def follow(self, attempt: Attempt, jobs: Sequence[NewJob], puts: Sequence[Put]) -> None:
        with self._lock:
            page = self.pages.get(attempt) or Page()
            page.follow(jobs, puts)
            self.pages[attempt] = page
            if attempt.ended:
                del self.pages[attempt]
                raise AttemptEnded(attempt.job.id)

    async def step(self) -> float:
        """Write what is due; seconds until there may be more."""
        if self._write_at is None:
            return _UNTIL_WOKEN
        left = self._write_at - self._clock.monotonic()
        if left <= 0:
            await self._write()
        return max(0.0, left)

    async def _write(self) -> None:
        with self._lock:
            told = [attempt for attempt, page in self.pages.items() if page.notes is not _NOTHING]
            chosen = {attempt: self._take_notes(attempt) for attempt in told[:_MOST_WRITTEN]}
            if len(told) == len(chosen):
                self._write_at = None
            self.writing = frozenset(chosen)
        changes = [lifecycle.note(attempt.job, notes) for attempt, notes in chosen.items()]
        try:
            if changes:
                await self._storage.apply(changes)
        except BaseException:
            self._put_back(chosen)
            raise
        finally:
            self.writing = frozenset()
            self._written.set()
            self._written = asyncio.Event()

    def _take_notes(self, attempt: Attempt) -> Notes:
        page = self.pages[attempt]
        notes, page.notes = page.notes, _NOTHING
        if not (page.jobs or page.puts):
            del self.pages[attempt]
        return notes

    def _put_back(self, chosen: dict[Attempt, Notes]) -> None:
        with self._lock:
            for attempt, notes in chosen.items():
                page = self.pages.setdefault(attempt, Page())
                page.notes = merged(notes, page.notes)
            self._write_at = self._write_at or self._clock.monotonic()

    async def written(self) -> None:
        """Returns when the write under way is answered."""
        await self._written.wait()

    def finish(self, attempt: Attempt, change: Change) -> Change:
        """``change``, which settles this attempt, with all that it told and is not written; and with what shall follow,
        where it completes the job."""
        if not self.pages:
            return change
        with self._lock:
            page = self.pages.pop(attempt, None)
        return change if page is None else page.added_to(change)

    def enlist(self, attempt: Attempt, change: Change) -> Change:
        """``finish`` for a completion that may yet be rolled back: what shall follow stays here, for the next try. Of
        notes, only those that the change takes along are kept from being written meanwhile: see ``give_back``."""
        with self._lock:
            page = self.pages.get(attempt)
            if page is None:
                return change
            change = page.added_to(change)
            page.notes = _NOTHING
        return change

    def give_back(self, attempt: Attempt, notes: Notes) -> None:
        """What a completion that was rolled back had taken along."""
        with self._lock:
            page = self.pages.setdefault(attempt, Page())
            page.notes = merged(notes, page.notes)

    def forget(self, attempt: Attempt) -> None:
        """The job is another worker's by now, or completed."""
        with self._lock:
            self.pages.pop(attempt, None)
