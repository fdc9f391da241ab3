"""The storage contract. These docstrings are the contract: the conformance suite holds every backend to them.

Every operation is async, takes and returns sequences in order, and lets only data cross. A storage never judges: the
state machine decides, the storage applies. It knows waiting, running and final, never reasons. It owns the clock:
callers pass durations, or the user's own absolute instant.

An operation that raises has changed nothing. Only where the answer was lost on its way can nobody know: it then raises
AnswerLost, and insert EnqueueUnknown.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Generic, Literal, Protocol, Self, TypeVar, runtime_checkable

import msgspec

from headrace.model.change import Change, Verdict
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark
from headrace.model.record import Put, Record
from headrace.model.state import FINAL, WAITING, State
from headrace.model.timeline import Entry
from headrace.storage.moving import Row, Rows
from headrace.storage.survival import Fate, Survival

R = TypeVar("R")


class Capabilities(msgspec.Struct, frozen=True):
    """What a backend can do. A gap is declared here, never discovered."""

    name: str
    processes: Literal["many", "one"]
    """How many processes may write."""
    survival: Survival
    """What an acknowledged job survives, and what it does not."""

    @property
    def durable(self) -> bool:
        """Whether jobs outlive the process."""
        return self.survival.kill is not Fate.LOST

    @property
    def promise(self) -> str:
        """The survival in words, for users."""
        return self.survival.promise

    @property
    def window(self) -> float:
        """Seconds before a kill of the process in which what was acknowledged may be lost with it."""
        return self.survival.window if self.survival.kill is Fate.LAST else 0.0


class Receipt(msgspec.Struct, Generic[R], frozen=True, gc=False):
    """The answer to one new job. ``R`` is what its task returns, where that is known."""

    id: str
    """The job's id; with ``duplicate`` the id of the job that holds the key."""
    duplicate: bool = False
    payload_differs: bool = False
    """With ``duplicate``: whether the holder was enqueued with another task or payload. False where it is gone."""


class Demand(msgspec.Struct, frozen=True, gc=False):
    """How many jobs of one queue a worker has room for."""

    queue: str
    limit: int


class Holding(msgspec.Struct, frozen=True, gc=False):
    """A job that a worker believes to hold."""

    job_id: str
    generation: int


class Beat(msgspec.Struct, frozen=True):
    """What a worker learns when it beats."""

    lost: Sequence[str] = ()
    """Ids of jobs that it believed to hold and does not hold any more."""
    cancel_requested: Sequence[str] = ()
    """Ids of jobs that it holds and that somebody wants stopped."""


class Filter(msgspec.Struct, frozen=True):
    """Which jobs ``find`` returns: those that pass every condition given."""

    states: frozenset[State] | None = None
    queue: str | None = None
    task: str | None = None
    worker: str | None = None
    cancel_requested: bool | None = None


class Page(msgspec.Struct, frozen=True):
    """Jobs, newest id first, and the cursor to pass as ``after`` for the next ones; None at the end."""

    jobs: Sequence[Job]
    next: str | None


class Keep(msgspec.Struct, frozen=True):
    """How long and how many final jobs of one state are kept."""

    age: float
    """Seconds since the job became final. A job's own ``options.retention`` wins over it."""
    most: int
    """Per queue."""


class Span(msgspec.Struct, frozen=True):
    """Which entries ``history`` returns."""

    kind: str
    queue: str | None = None
    since: int | None = None
    """Not before this instant."""
    until: int | None = None
    """Before this instant."""


class Entries(msgspec.Struct, frozen=True):
    """Entries, oldest first, and the cursor to pass as ``after`` for the next ones; None at the end."""

    entries: Sequence[Entry]
    next: str | None


class Listener(Protocol):
    """Hears notices from the moment it was made, so that none falls between a look and a wait."""

    async def wait(self, timeout: float) -> bool:
        """True as soon as a notice came since the last wait, or since the beginning; False after ``timeout`` s."""
        ...

    def close(self) -> None:
        """Stop listening; a wait under way returns False at once. Idempotent."""
        ...


class Storage(Protocol):
    """Keeps jobs. One handle belongs to one event loop; ``sibling`` makes one for another."""

    @property
    def capabilities(self) -> Capabilities:
        """What this backend can do."""
        ...

    async def open(self) -> None:
        """Ready for calls. Idempotent. Refuses what it must not touch: a damaged store, a foreign one, one of a newer
        schema. Migrates an empty store, and an older one where ``auto_migrate`` allows it, else SchemaTooOld."""
        ...

    async def close(self) -> None:
        """Waits for its own calls under way, then lets go. Idempotent. Siblings live on. Once its own loop is closed,
        any other may close it."""
        ...

    async def migrate(self, *, post: bool = False) -> int:
        """Brings the schema up to date and returns its number. Forward only, under a lock, safe from many processes.
        ``post``: also what is only safe once no older version works on the store."""
        ...

    def sibling(self) -> Self:
        """A handle on the same store for another thread and loop; to be opened and closed by itself."""
        ...

    async def now(self) -> int:
        """The storage's clock: milliseconds since 1970 UTC. Holds still while the machine's clock is up to 5 s behind
        what it said before, and follows a larger step back."""
        ...

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        """All in one atomic step, or nothing: a put whose ``expect`` is lost inserts nothing and raises PutLost.

        A job whose id is there already gives the same receipt again and changes nothing (looked at before the key). A
        held dedup key gives ``duplicate`` and the holder's id, for that item only. A key holds per queue: with
        ``Until.FINISHED`` until its job is final, with ``Until.CLAIMED`` until its job is first claimed, with
        ``Until.WINDOW`` until ``window`` seconds after the insert, whatever becomes of the job. Inside one call the
        first of a key wins. A job due now is ``pending``, a later one ``scheduled``. A job's own ``puts`` are done if
        and only if it was inserted by this call. Returns only when durable as declared; wakes listeners of
        ``queue:<name>``.
        """
        ...

    async def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        """One atomic step: of each queue demanded, a bounded batch of due scheduled and retrying jobs becomes
        ``pending``; then at most ``limit`` pending ones are taken in (priority, due time, id) order and are the
        worker's: ``running``, attempt + 1, generation + 1, not ``alone``; a key held ``Until.CLAIMED`` is given
        up for good. No job goes to two workers. Never above the queue's ceiling, counted over its running rows;
        a paused queue gives none, nor one that cools (all from its QueueControl record). Running rows are never
        touched. A worker without a live lease gets none. Where no answer came, ``find`` by state and worker tells
        what was taken."""
        ...

    async def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        """The worker's lease lasts ``ttl`` seconds from now, for all it holds, whatever that is; the first beat makes
        the lease. Expiry only permits ``reclaim``: a late beat revives what nobody took. ``ttl=0`` ends the worker at
        once. Tells which of ``holding`` it no longer holds under that generation, and which of its jobs somebody
        wants stopped. Leases run on a clock that no wall-clock step moves.
        """
        ...

    async def leases(self) -> Mapping[str, float]:
        """In how many seconds the lease of each worker runs out that is not forgotten; 0 or less: it has, as those of
        another boot have."""
        ...

    async def reclaim(self, worker: str, limit: int, queues: Collection[str] | None = None) -> Sequence[Job]:
        """At most ``limit`` running jobs whose worker's lease has run out (or was never there) pass to ``worker``,
        each to exactly one caller: generation + 1, attempt unchanged, ``alone`` kept, ``rescued`` set. The caller
        settles them by ``apply``. Forgets expired workers that hold nothing. A caller without a live lease gets none.
        Where no answer came, ``find`` by state and worker tells what was taken.
        """
        ...

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        """One commit. Each guard is checked in that same step, each change against what the ones before it left; one
        that fails touches only its own item (STALE, or MISSING, or HELD with the holder). A change's follow-up jobs
        and puts exist if and only if it was applied; a put that loses makes its change STALE. ``release_key`` frees
        the key if this job holds it, unless it is held ``Until.WINDOW``; ``take_key`` takes it back, or HELD where
        another job holds it; a window is never opened anew. The effect of a patch is ``model.change.patched``. Wakes
        listeners of ``queue:<name>`` where a job became pending, or where one of a queue with a ceiling runs no more;
        of ``job:<id>`` where it became final, of ``worker:<id>`` where a running job's cancel was requested.
        """
        ...

    async def put(self, puts: Sequence[Put]) -> Sequence[bool]:
        """Compare-and-set, each item alone atomic: True where it was done. A ttl runs on the clock of leases. A put
        that was done, here or beside jobs and changes, wakes listeners of ``record:<kind>``; that of a QueueControl
        also those of ``queue:<name>``."""
        ...

    async def records(
        self, kind: str, *, names: Collection[str] | None = None, after: str | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        """The committed records of one kind that have not lapsed, by name: of these ``names`` only, of names above
        ``after`` only, at most ``limit``."""
        ...

    async def get(self, ids: Sequence[str]) -> Sequence[Job | None]:
        """Committed rows, in order; None where there is none."""
        ...

    async def find(self, where: Filter, *, limit: int, after: str | None = None) -> Page:
        """Committed rows that pass, newest id first, from the cursor on. No snapshot is promised across pages."""
        ...

    async def count(self) -> Mapping[tuple[str, State], int]:
        """How many jobs of each queue are in each state; states without any are left out."""
        ...

    async def delete(self, ids: Sequence[str], states: Collection[State] = WAITING | FINAL) -> Sequence[Verdict]:
        """Removes jobs that are in one of these states at that moment, never a running one, and frees their keys,
        windows too: APPLIED, STALE (it runs, or is in another state) or MISSING."""
        ...

    async def prune(
        self,
        keep: Mapping[State, Keep],
        limit: int,
        *,
        of_queues: Mapping[str, Mapping[State, Keep]] = {},
        entries: Mapping[str, float] = {},
    ) -> int:
        """Removes at most ``limit`` final jobs that have reached their age or are beyond the count per queue, oldest
        first, and says how many it removed. Sweeps the states that ``keep`` names, in every queue, and those that
        ``of_queues`` names for a queue, in that queue and by that rule instead. A job's own retention of its state
        wins over the age of both; where no rule sweeps its state, it stays, whatever it asks for. Never a waiting or
        running job. Frees no key but those of removed jobs, and no window before its end; forgets lapsed keys and
        records. Removes also at most ``limit`` entries of each kind in ``entries`` that are so many seconds old,
        oldest first, and counts them in."""
        ...

    async def record(self, entries: Sequence[Entry]) -> None:
        """Keeps these rows of the timeline; one whose id is there already replaces that, wherever it stood."""
        ...

    async def history(self, where: Span, *, limit: int, after: str | None = None) -> Entries:
        """Committed entries that pass, by instant and id, from the cursor on. InvalidOption where that is no cursor."""
        ...

    async def dump(self, *, limit: int, after: str | None = None) -> Rows:
        """At most ``limit`` committed rows of every kind from the cursor on, fewer where they are large, as
        ``model.change.carried`` has them: jobs by id, held keys by queue and key, records by kind and name with what
        is left of their ttl, entries of the timeline by kind, instant and id. Leases are not dumped, nor what only
        means something here: the kinds of records in ``storage.moving.LEFT_BEHIND``, and lapsed ones. A snapshot only
        while nobody writes. InvalidOption where that is no cursor."""
        ...

    async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
        """Rows as they were dumped, in one atomic step, and how many. One that is there is replaced by its like:
        loaded twice is loaded once. Keeps ``cursor`` in the mark in that same step. Nothing is judged, and nobody is
        told. NotBeingFilled where no mark says that this store is the target of a move."""
        ...

    async def mark(self, mark: Mark | None) -> None:
        """From now on, and until the mark is taken away by None, whatever would change something here is refused with
        StoreMoved, but for ``load`` and ``mark``: calls of every handle of every process, and of every version, and
        transactions of callers' own. Reads go on. A write that was let through before is seen by every read after
        this. What would change nothing may be answered as ever. StoreMoved too where the mark of another move
        stands."""
        ...

    async def marked(self) -> Mark | None:
        """The mark that stands here."""
        ...

    async def next_due(self, queues: Collection[str]) -> float | None:
        """Seconds until the earliest waiting job of these queues is due (0: now), None without any. A hint."""
        ...

    def listen(self, topics: Collection[str]) -> Listener:
        """Hears notices on topics such as ``queue:email``, ``job:<id>``, ``worker:<id>``, ``record:<kind>``. A hint:
        notices may come for nothing, and may be lost; correctness never depends on them."""
        ...


class Enlisted(ABC):
    """Writes inside a transaction of the caller's own, on the calling thread. Nothing of it is visible before the
    caller commits, and nothing stays where they roll back.

    A call that raises has changed nothing, and leaves the transaction usable where the database allows that. Errors of
    the caller's own driver pass as they are: the transaction is theirs, and so is its repetition. Nothing else of the
    session changes: no commit, no setting.
    """

    @abstractmethod
    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Receipt[object]]:
        """As ``Storage.insert``, but for the commit; a key counts as held also by what this transaction holds."""

    @abstractmethod
    def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        """As ``Storage.apply``, but for the commit. APPLIED is so if and only if the caller commits."""


class AsyncEnlisted(ABC):
    """The same through an async driver, on the calling loop."""

    @abstractmethod
    async def insert(self, jobs: Sequence[NewJob]) -> Sequence[Receipt[object]]:
        """See ``Enlisted.insert``."""

    @abstractmethod
    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        """See ``Enlisted.apply``."""


@runtime_checkable
class Enlisting(Protocol):
    """A storage that can write inside the caller's own transaction: the only place that sees a foreign connection. For
    those whose ``Storage`` has transactions that others can take part in."""

    def within(self, session: object) -> Enlisted | AsyncEnlisted:
        """What writes there. Needs no open handle, no loop and no thread of its own.

        InvalidOption for ``session`` where its type is unknown (naming those that are known), where it is connected to
        another store, and where it is in no transaction and would commit each statement by itself; here, or at the
        first call where only that can tell. SchemaTooOld or SchemaTooNew, at the first call, where this version can't
        write there.
        """
        ...
