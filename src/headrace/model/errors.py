"""Every error a user can meet. Each names what was wrong, the value, the limit and the way out."""

from collections.abc import Sequence

from headrace.model.headrace_error import HeadraceError as HeadraceError
from headrace.model.outline import outline
from headrace.model.store_errors import (
    AnswerLost as AnswerLost,
    BackendNotAvailable as BackendNotAvailable,
    CorruptStore as CorruptStore,
    DriverMissing as DriverMissing,
    ForeignStore as ForeignStore,
    InvalidURL as InvalidURL,
    MoveFailed as MoveFailed,
    MoveRefused as MoveRefused,
    NotBeingFilled as NotBeingFilled,
    NotPermitted as NotPermitted,
    OneProcessOnly as OneProcessOnly,
    PutLost as PutLost,
    SchemaTooNew as SchemaTooNew,
    SchemaTooOld as SchemaTooOld,
    StoreBusy as StoreBusy,
    StoreError as StoreError,
    StoreFull as StoreFull,
    StoreMoved as StoreMoved,
    StoreOwned as StoreOwned,
    StoreReadOnly as StoreReadOnly,
    StoreTaken as StoreTaken,
    StoreUnreachable as StoreUnreachable,
    UnsafeBucket as UnsafeBucket,
    UnsafeFilesystem as UnsafeFilesystem,
)

# --- refused at the caller -------------------------------------------------------------------------------------------


class InvalidName(HeadraceError, ValueError):
    """A task, queue, limit or schedule name that can't be used."""

    def __init__(self, kind: str, value: object, why: str) -> None:
        super().__init__(f"{kind} name {outline(value)} {why}")
        self.kind, self.value = kind, value


class InvalidOption(HeadraceError, ValueError):
    """An option out of its range or of the wrong type."""

    def __init__(self, option: str, value: object, allowed: str) -> None:
        super().__init__(f"{option}={outline(value)} can't be used: {allowed}")
        self.option, self.value, self.allowed = option, value, allowed


class InvalidDelay(InvalidOption):
    """A delay, duration or instant that can't be used."""


class InvalidKey(InvalidOption):
    """A dedup key that is empty, too long or not plain text."""


class InvalidCron(HeadraceError, ValueError):
    """A cron expression or its time zone that can't be used."""

    def __init__(self, text: object, why: str, position: int | None = None) -> None:
        where = "" if position is None else f" at character {position}"
        super().__init__(f"cron expression {outline(text)} can't be used{where}: {why}")
        self.text, self.position = text, position


class InvalidArguments(HeadraceError, TypeError):
    """Arguments that don't fit the signature of their task."""

    def __init__(self, task: str, why: str) -> None:
        super().__init__(f"arguments of task {task!r} don't fit its signature: {why}")
        self.task = task


class PayloadRefused(HeadraceError, ValueError):
    """The base of all errors about a value that can't be stored as it is."""


class NotSerializable(PayloadRefused):
    """A value that JSON can't carry unchanged, where no annotation names its type."""

    def __init__(self, path: str, value: object, why: str) -> None:
        super().__init__(f"{path} = {outline(value)} can't be stored unchanged: {why}")
        self.path, self.value = path, value


class PayloadTooLarge(PayloadRefused):
    """A payload over the limit, in bytes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"payload of {size:,} bytes is over the limit of {limit:,} bytes; "
            "store the data elsewhere and pass a reference to it, or raise max_payload="
        )
        self.size, self.limit = size, limit


class PayloadTooDeep(PayloadRefused):
    """A payload nested deeper than the limit."""

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(f"{path} is nested deeper than {limit} levels; flatten it or pass a reference to it")
        self.path, self.limit = path, limit


class KvValueTooLarge(PayloadRefused):
    """A value of ``kv=`` over the limit, in bytes."""

    def __init__(self, name: str, size: int, limit: int) -> None:
        over = f"the value of kv {outline(name)} has {size:,} bytes, over the limit of {limit:,}"
        super().__init__(f"{over}; nothing was written; store the data elsewhere and keep a reference to it")
        self.name, self.size, self.limit = name, size, limit


class PayloadUnreadable(PayloadRefused):
    """A stored payload that doesn't decode to the task's annotated types."""

    def __init__(self, task: str, why: str) -> None:
        super().__init__(f"the stored arguments don't decode for task {task!r}: {why}")
        self.task = task


class AlreadyRegistered(HeadraceError):
    """Two tasks, or two schedules, of one name."""

    def __init__(self, name: str, first: str, second: str, kind: str = "task") -> None:
        super().__init__(f"{kind} {name!r} is registered twice, by {first} and by {second}; give one of them name=")
        self.name = name


class RoutingFailed(HeadraceError, ValueError):
    """A router that raised, or named what can't be a queue."""

    def __init__(self, router: object, task: str, why: str) -> None:
        name = getattr(router, "__qualname__", None) or type(router).__name__
        super().__init__(
            f"router {name} gave no queue for task {task!r}: {why}; "
            "it must return the name of a queue, or None to leave the choice to others"
        )
        self.task = task


class UseAsync(HeadraceError, RuntimeError):
    """A sync call on a thread whose event loop is running, or with an async session."""

    def __init__(self, name: str, why: str = "this thread runs an event loop, which a sync call would block") -> None:
        super().__init__(f"{why}; use: await {name}(...)")
        self.name = name


class AppClosed(HeadraceError, RuntimeError):
    """The app was closed."""

    def __init__(self) -> None:
        super().__init__("this Headrace app was closed; make a new one")


class NoCurrentJob(HeadraceError, RuntimeError):
    """``current()`` or ``acquire()`` outside a handler."""

    def __init__(self, what: str = "current()") -> None:
        super().__init__(f"{what} is only for handlers: no job runs here")


class NotInProcess(HeadraceError, RuntimeError):
    """A handler in a process executor asked for what only its worker's process has."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f'{what} can\'t be used with executor="process": that process has no store; {instead}')
        self.what = what


class UnknownLimit(HeadraceError, LookupError):
    """A limit that nobody declared."""

    def __init__(self, name: str, task: str | None = None) -> None:
        named = "" if task is None else f", which task {task!r} names"
        super().__init__(
            f"the store knows no limit {outline(name)}{named}; declare it in the app: app.limit({outline(name)}, rate="
            '"10/s")'
        )
        self.name, self.task = name, task


class AttemptEnded(HeadraceError, RuntimeError):
    """``current().then`` or ``complete_in`` once the attempt had ended: its completion can't take anything along any
    more, nor be put into a transaction."""

    def __init__(self, job_id: str) -> None:
        ended = f"this attempt of job {job_id} has ended: what comes with its completion is said before it returns"
        super().__init__(f"{ended}; let the handler wait for threads and tasks that it starts")
        self.job_id = job_id


class AlreadyCompleted(HeadraceError, RuntimeError):
    """``current().complete_in`` where an earlier call still counts, or ``current().then`` after it."""

    def __init__(self, job_id: str, what: str) -> None:
        super().__init__(f"this attempt has completed job {job_id} in a transaction of its own already: {what}")
        self.job_id = job_id


class WrongLoop(HeadraceError, RuntimeError):
    """A storage handle or worker used from another event loop or process than its own."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} belongs to another event loop or process; open one of your own here (sibling())")


# --- about jobs ------------------------------------------------------------------------------------------------------


class LeaseLost(HeadraceError):
    """The job is no longer held by this claim: another worker has it, or it is settled."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} is no longer held by this claim; what it did was not recorded")
        self.job_id = job_id


class CommandFailed(HeadraceError):
    """A program that a job ran ended badly, or could not be started."""


class CompanionFailed(HeadraceError):
    """A companion answered that it failed, or gave no answer."""


class KeyHeld(HeadraceError):
    """A job can't be retried while another job holds its dedup key."""

    def __init__(self, job_id: str, key: str, holder: str) -> None:
        super().__init__(f"job {job_id} can't go back: its key {outline(key)} is held by job {holder}")
        self.job_id, self.key, self.holder = job_id, key, holder


class PayloadDiffers(HeadraceError):
    """A strict enqueue met its dedup key in the hands of a job with another task or payload."""

    def __init__(self, key: str, holder: str) -> None:
        held = f"key {outline(key)} is held by job {holder}, which was enqueued with another task or payload"
        super().__init__(f"{held}; nothing was written; wait until it gives the key up, or use another key")
        self.key, self.holder = key, holder


class NotRetryable(HeadraceError):
    """``retry`` or ``run_now`` of a job whose state doesn't allow it."""

    def __init__(self, job_id: str, state: str, wanted: str) -> None:
        super().__init__(f"job {job_id} is {state}; only {wanted} jobs can be moved this way")
        self.job_id, self.state = job_id, state


class JobNotFound(HeadraceError, LookupError):
    """No job of this id was ever seen, as far as the storage knows."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"the store knows no job {job_id}")
        self.job_id = job_id


class JobExpired(JobNotFound):
    """The job is gone, and its id is older than the retention: it was probably pruned."""

    def __init__(self, job_id: str) -> None:
        HeadraceError.__init__(self, f"job {job_id} is not in the store any more: it is older than the retention")
        self.job_id = job_id


class JobDead(HeadraceError):
    """The awaited job ended dead."""

    def __init__(self, job_id: str, reason: str, error: str) -> None:
        super().__init__(f"job {job_id} is dead ({reason}): {error}")
        self.job_id, self.reason, self.error = job_id, reason, error


class ResultNotKept(HeadraceError):
    """The awaited job completed, and what it returned could not be kept."""

    def __init__(self, job_id: str, why: str) -> None:
        super().__init__(f"job {job_id} completed, but its result was not kept: {why}; join asks for no result")
        self.job_id, self.why = job_id, why


class JobCancelled(HeadraceError):
    """The awaited job was cancelled."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} was cancelled")
        self.job_id = job_id


class WaitTimeout(HeadraceError, TimeoutError):
    """The awaited job was not final in time. It goes on."""

    def __init__(self, job_id: str, seconds: float) -> None:
        super().__init__(f"job {job_id} was not final after {seconds:g} s; it goes on")
        self.job_id, self.seconds = job_id, seconds


class ScheduleNotFound(HeadraceError, LookupError):
    """No schedule of this name is in the store."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no schedule {name!r} in the store; headrace schedules lists those that are")
        self.name = name


class ScheduleUnreadable(HeadraceError):
    """A stored schedule that this version or this machine can't follow. The others go on."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"schedule {outline(name)} can't be followed here: {why}; edit it, declare it anew or remove it"
        )
        self.name, self.why = name, why


class EnqueueUnknown(HeadraceError):
    """The storage's answer to an enqueue was lost: the jobs may or may not be there."""

    def __init__(self, ids: Sequence[str], why: str) -> None:
        super().__init__(
            f"the storage's answer was lost ({why}): {len(ids)} job(s) may or may not be stored; "
            "repeat with using(id=...) and the same ids, which makes no second job"
        )
        self.ids, self.why = tuple(ids), why
