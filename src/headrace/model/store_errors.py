"""Errors about stores. Import them from ``headrace.model.errors``, where all errors stand together."""

from collections.abc import Sequence

from headrace.model.headrace_error import HeadraceError

# --- about stores ----------------------------------------------------------------------------------------------------


class StoreError(HeadraceError):
    """The base of all errors about a store."""


class BackendNotAvailable(StoreError):
    """A storage URL that this version can't open."""

    def __init__(self, url: str, available: Sequence[str]) -> None:
        super().__init__(f"no storage for {url!r}; available here: {', '.join(available)}")
        self.url = url


class DriverMissing(StoreError, ImportError):
    """A storage URL that needs a package which is not installed."""

    def __init__(self, url: str, package: str, extra: str) -> None:
        super().__init__(
            f"{url!r} needs the package {package}, which is not installed; run: pip install 'headrace[{extra}]'"
        )
        self.url = url


class InvalidURL(StoreError, ValueError):
    """A storage URL that is not well formed."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"storage URL {url!r} can't be used: {why}")
        self.url = url


class CorruptStore(StoreError):
    """The store is damaged, or not a store at all. It is never re-created or deleted."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"{path} is damaged or no headrace store: {why}; it was left as it is; "
            "restore a backup; of a store in SQLite, see what headrace doctor --salvage can copy"
        )
        self.path = path


class ForeignStore(StoreError):
    """A sound database that belongs to another program."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} belongs to another program: {why}; give headrace a file of its own")
        self.path = path


class UnsafeFilesystem(StoreError):
    """A file on a filesystem where locks can't be trusted."""

    def __init__(self, path: str, filesystem: str) -> None:
        super().__init__(
            f"{path} is on {filesystem}, where file locks can't be trusted; "
            "use a local disk, or add ?filesystem=unchecked if you know better"
        )
        self.path = path


class UnsafeBucket(StoreError):
    """A bucket that lets two processes write to one store at once."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} can't be used: what keeps it took a write that it should have refused (a PUT with If-None-Match "
            "over an object that was there), so two processes could write at once; use a store with conditional writes"
        )
        self.where = where


class StoreReadOnly(StoreError):
    """The store can be read but not written."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} can't be written: {why}; nothing was changed")
        self.path = path


class NotPermitted(StoreError):
    """The user that the URL names may not do this there."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"{where} refused it: {why}; nothing was changed; grant the user of the URL what its role needs, or use "
            "another user"
        )
        self.where = where


class StoreFull(StoreError):
    """The disk under the store is full, or a quota or a limit of the process on it used up."""

    def __init__(self, path: str, why: str | None = None) -> None:
        full = f"the disk under {path} is full" if why is None else f"{path} can't grow: {why}"
        super().__init__(f"{full}; nothing was changed; free some space, and work goes on")
        self.path = path


class StoreBusy(StoreError):
    """A lock, or whatever else is shared, was not had in time."""

    def __init__(self, path: str, seconds: float, why: str | None = None) -> None:
        locked = (
            f"{path} was locked for {seconds:g} s by another connection; nothing was changed; a likely cause is a "
            "transaction that your own program holds open on it: end it first, or enqueue inside it, with "
            "using(session=...)"
        )
        busy = f"{path} was busy, and {seconds:g} s are the most that a call waits: {why}; nothing was changed"
        super().__init__(locked if why is None else busy)
        self.path, self.seconds = path, seconds


class StoreUnreachable(StoreError):
    """The store can't be reached; nothing was changed."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} can't be reached: {why}; nothing was changed")
        self.where, self.why = where, why


class AnswerLost(StoreError):
    """The storage's answer to a call was lost: what it asked for may or may not have been done."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"the answer of {where} was lost: {why}; what was asked may or may not have been done")
        self.where, self.why = where, why


class PutLost(StoreError):
    """A compare-and-set lost its race: neither it nor what was to be inserted beside it was written."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"record {name!r} of kind {kind!r} was changed by another process; nothing was written")
        self.kind, self.name = kind, name


class StoreOwned(StoreError):
    """A one-process store belongs to another live process."""

    def __init__(self, where: str, host: str, pid: int, since: str, lease: float) -> None:
        super().__init__(
            f"{where} is owned by process {pid} on {host} since {since}, and only one process may write to it; do it "
            "in that process, or stop that one first, or take the store from it with ?takeover=1 in the URL"
        )
        self.where, self.host, self.pid, self.since = where, host, pid, since
        self.lease = lease
        """Seconds of its silence after which another process may take it over."""


class OneProcessOnly(StoreError):
    """Several worker processes on a one-process store."""

    def __init__(self, where: str, processes: int) -> None:
        super().__init__(
            f"{where} is written to by one process at a time, and {processes} worker processes were asked for; ask for "
            "one: it runs as many jobs at once as its queues have slots"
        )
        self.where, self.processes = where, processes


class StoreTaken(StoreError):
    """This process owned a one-process store until another took it over, and can't be the owner again."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"{where} was taken over by another process{why}; this one writes nothing there any more, and what it had "
            "not acknowledged is lost; start it anew"
        )
        self.where = where


class StoreMoved(StoreError):
    """The store was moved to another, or is at one end of a move: it can be read, and no one else may write to it."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} {why}; nothing was changed")
        self.where, self.why = where, why


class MoveRefused(HeadraceError):
    """A move from one store to another that has not begun, or can't go on."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; nothing was changed")
        self.why = why


class MoveFailed(HeadraceError):
    """What is in the new store is not what is in the old one."""

    def __init__(self, source: str, target: str, difference: str) -> None:
        super().__init__(
            f"what is in {target} is not what is in {source}: {difference}; both stay marked, and nothing is lost in "
            f"{source}: take that back into use with headrace move --undo, remove {target}, and report this"
        )
        self.source, self.target, self.difference = source, target, difference


class NotBeingFilled(StoreError):
    """Rows of another store were to be loaded into one that no move is filling."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} is not being filled by a move, and rows are loaded into no other store; nothing was changed; "
            "run headrace move, which marks it first"
        )
        self.where = where


class SchemaTooOld(StoreError):
    """The store's schema is older than this version needs, and may not be migrated unasked."""

    def __init__(self, where: str, found: int, wanted: int) -> None:
        super().__init__(f"{where} has schema {found}, this version needs {wanted}; run: headrace migrate")
        self.where, self.found, self.wanted = where, found, wanted


class SchemaTooNew(StoreError):
    """The store's schema is newer than this version understands. Nothing was written."""

    def __init__(self, where: str, found: int, known: int) -> None:
        super().__init__(f"{where} has schema {found}, this version knows up to {known}; upgrade headrace")
        self.where, self.found, self.known = where, found, known
