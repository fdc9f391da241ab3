"""The sync twins. Each forwards to the async method of the same name with ``a`` before it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Unpack, overload

from headrace.interface.claims import Claim, Claims
from headrace.interface.core import DEFAULT_QUEUE, JobReference
from headrace.interface.deadletters import DeadLetters, Retried, Which
from headrace.interface.enlisting import enqueue_within, insert_within, session_of
from headrace.interface.jobs import CancelOutcome
from headrace.interface.kv import KeyValues
from headrace.interface.limits import Limit, Limits
from headrace.interface.page import Page
from headrace.interface.queues import Queues, QueueView
from headrace.interface.schedule_plan import Edit, Plan
from headrace.interface.schedules import Schedules
from headrace.interface.since import Since
from headrace.interface.steps import Steps
from headrace.interface.task import Call
from headrace.interface.template import Using
from headrace.interface.waiting import Waiting
from headrace.interface.watching import KnownWorker, Watching
from headrace.interface.why import Explaining
from headrace.model.duration import Duration
from headrace.model.facts import Why
from headrace.model.job import Job
from headrace.model.metric import Interval, Metric
from headrace.model.retention import Retention
from headrace.model.schedule import Schedule
from headrace.model.state import State
from headrace.storage.contract import Receipt

R = TypeVar("R")


class Blocking(DeadLetters, Explaining, Waiting, Claims, KeyValues, Schedules, Queues, Limits, Watching, Steps):
    """For code without an event loop. On a thread whose loop is running they raise UseAsync."""

    def enqueue(
        self,
        task: str,
        arguments: Mapping[str, object] | bytes = {},
        **using: Unpack[Using],
    ) -> Receipt[object]:
        """See ``aenqueue``. With a ``session`` it is done right here, also where a loop is running."""
        if using.get("session") is None:
            return self.block("aenqueue", lambda: self.aenqueue(task, arguments, **using))
        call = self.by_name(task, arguments, using)
        new = call.template.make(self.ids.new(), call.payload, call.encoding)
        return enqueue_within(self.handles, new, call.template)

    def enqueue_many(self, calls: Sequence[Call[Any]], *, session: object = None) -> Sequence[Receipt[Any]]:
        """See ``aenqueue_many``. With a ``session`` it is done right here, also where a loop is running."""
        if session_of(calls, session) is None:
            return self.block("aenqueue_many", self.aenqueue_many, calls)
        session, jobs = self.sorted_out(calls, session)
        return insert_within(self.handles, jobs, session, "aenqueue_many") if jobs else ()

    def job(self, job: JobReference) -> Job | None:
        """See ``ajob``."""
        return self.block("ajob", self.ajob, job)

    def jobs(
        self,
        *,
        state: str | State | None = None,
        queue: str | None = None,
        task: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[Job]:
        """See ``ajobs``."""
        return self.block("ajobs", lambda: self.ajobs(state=state, queue=queue, task=task, limit=limit, after=after))

    def dead_letters(
        self, queue: str | None = None, *, limit: int = 50, after: str | None = None, **which: Unpack[Which]
    ) -> Page[Job]:
        """See ``adead_letters``."""
        return self.block("adead_letters", lambda: self.adead_letters(queue, limit=limit, after=after, **which))

    def why(self, job: JobReference) -> Why:
        """See ``awhy``."""
        return self.block("awhy", self.awhy, job)

    def cancel(self, job: JobReference) -> CancelOutcome:
        """See ``acancel``."""
        return self.block("acancel", self.acancel, job)

    def retry(self, job: JobReference) -> None:
        """See ``aretry``."""
        return self.block("aretry", self.aretry, job)

    def run_now(self, job: JobReference) -> None:
        """See ``arun_now``."""
        return self.block("arun_now", self.arun_now, job)

    def retry_dead(
        self,
        queue: str | None = None,
        *,
        jobs: Sequence[JobReference] | None = None,
        limit: int | None = None,
        **which: Unpack[Which],
    ) -> Retried:
        """See ``aretry_dead``."""
        return self.block("aretry_dead", lambda: self.aretry_dead(queue, jobs=jobs, limit=limit, **which))

    def clear_dead_letters(
        self,
        queue: str | None = None,
        *,
        jobs: Sequence[JobReference] | None = None,
        limit: int | None = None,
        **which: Unpack[Which],
    ) -> int:
        """See ``aclear_dead_letters``."""
        return self.block(
            "aclear_dead_letters", lambda: self.aclear_dead_letters(queue, jobs=jobs, limit=limit, **which)
        )

    def counts(self) -> Mapping[str, Mapping[State, int]]:
        """See ``acounts``."""
        return self.block("acounts", self.acounts)

    def pending_count(self, queue: str | None = None) -> int:
        """See ``apending_count``."""
        return self.block("apending_count", self.apending_count, queue)

    def inflight_count(self, queue: str | None = None) -> int:
        """See ``ainflight_count``."""
        return self.block("ainflight_count", self.ainflight_count, queue)

    def workers(self, *, limit: int = 50, after: str | None = None) -> Page[KnownWorker]:
        """See ``aworkers``."""
        return self.block("aworkers", lambda: self.aworkers(limit=limit, after=after))

    def metrics(
        self,
        queue: str | None = None,
        *,
        since: Since = "1h",
        until: Since | None = None,
        limit: int = 1_000,
        after: str | None = None,
    ) -> Page[Metric]:
        """See ``ametrics``."""
        return self.block("ametrics", lambda: self.ametrics(queue, since=since, until=until, limit=limit, after=after))

    def timeline(
        self,
        queue: str | None = None,
        *,
        since: Since = "10m",
        until: Since | None = None,
        limit: int = 1_000,
        after: str | None = None,
    ) -> Page[Interval]:
        """See ``atimeline``."""
        return self.block(
            "atimeline", lambda: self.atimeline(queue, since=since, until=until, limit=limit, after=after)
        )

    def rescue_once(self) -> int:
        """See ``arescue_once``."""
        return self.block("arescue_once", self.arescue_once)

    def prune_once(
        self, queue: str | None = None, *, older: Duration | None = None, state: str | State | None = None
    ) -> int:
        """See ``aprune_once``."""
        return self.block("aprune_once", lambda: self.aprune_once(queue, older=older, state=state))

    def roll_metrics_once(self) -> int:
        """See ``aroll_metrics_once``."""
        return self.block("aroll_metrics_once", self.aroll_metrics_once)

    def set_retention(self, queue: str, retention: Retention | None) -> None:
        """See ``aset_retention``."""
        return self.block("aset_retention", self.aset_retention, queue, retention)

    def join(self, job: JobReference, timeout: Duration | None = None) -> Job:
        """See ``ajoin``."""
        return self.block("ajoin", self.ajoin, job, timeout)

    @overload
    def result(self, job: Receipt[R], timeout: Duration | None = None) -> R: ...
    @overload
    def result(self, job: JobReference, timeout: Duration | None = None) -> object: ...
    def result(self, job: JobReference, timeout: Duration | None = None) -> Any:
        """See ``aresult``."""
        return self.block("aresult", lambda: self.aresult(job, timeout))

    def pause(self, queue: str) -> None:
        """See ``apause``."""
        return self.block("apause", self.apause, queue)

    def resume(self, queue: str) -> None:
        """See ``aresume``."""
        return self.block("aresume", self.aresume, queue)

    def scale(self, queue: str, concurrency: int | None) -> None:
        """See ``ascale``."""
        return self.block("ascale", self.ascale, queue, concurrency)

    def queues(self, *, name: str | None = None, limit: int = 50, after: str | None = None) -> Page[QueueView]:
        """See ``aqueues``."""
        return self.block("aqueues", lambda: self.aqueues(name=name, limit=limit, after=after))

    def limits(self, *, limit: int = 50, after: str | None = None) -> Page[Limit]:
        """See ``alimits``."""
        return self.block("alimits", lambda: self.alimits(limit=limit, after=after))

    def set_limit(self, name: str, *, rate: str | None = None, burst: int | None = None) -> None:
        """See ``aset_limit``."""
        return self.block("aset_limit", lambda: self.aset_limit(name, rate=rate, burst=burst))

    def claim(self, queue: str = DEFAULT_QUEUE, *, limit: int = 1, lease: Duration | None = None) -> Sequence[Claim]:
        """See ``aclaim``."""
        return self.block("aclaim", lambda: self.aclaim(queue, limit=limit, lease=lease))

    def ack(
        self,
        claim: Claim,
        result: object = None,
        *,
        then: Sequence[Call[Any]] = (),
        kv: Mapping[str, object] | None = None,
    ) -> None:
        """See ``aack``."""
        return self.block("aack", lambda: self.aack(claim, result, then=then, kv=kv))

    def ack_many(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """See ``aack_many``."""
        return self.block("aack_many", self.aack_many, claims)

    def nack(self, claim: Claim, error: BaseException | str) -> None:
        """See ``anack``."""
        return self.block("anack", self.anack, claim, error)

    def kv_get(self, name: str) -> object:
        """See ``akv_get``."""
        return self.block("akv_get", self.akv_get, name)

    def kv_delete(self, name: str) -> bool:
        """See ``akv_delete``."""
        return self.block("akv_delete", self.akv_delete, name)

    def renew(self, claim: Claim, lease: Duration | None = None) -> None:
        """See ``arenew``."""
        return self.block("arenew", self.arenew, claim, lease)

    def put_schedule(self, name: str, **plan: Unpack[Plan]) -> Schedule:
        """See ``aput_schedule``."""
        return self.block("aput_schedule", lambda: self.aput_schedule(name, **plan))

    def schedules(self, *, name: str | None = None, limit: int = 50, after: str | None = None) -> Page[Schedule]:
        """See ``aschedules``."""
        return self.block("aschedules", lambda: self.aschedules(name=name, limit=limit, after=after))

    def pause_schedule(self, name: str) -> None:
        """See ``apause_schedule``."""
        return self.block("apause_schedule", self.apause_schedule, name)

    def resume_schedule(self, name: str) -> None:
        """See ``aresume_schedule``."""
        return self.block("aresume_schedule", self.aresume_schedule, name)

    def edit_schedule(self, name: str, **edit: Unpack[Edit]) -> Schedule:
        """See ``aedit_schedule``."""
        return self.block("aedit_schedule", lambda: self.aedit_schedule(name, **edit))

    def run_schedule(self, name: str) -> Receipt[Any]:
        """See ``arun_schedule``."""
        return self.block("arun_schedule", self.arun_schedule, name)

    def remove_schedule(self, name: str) -> None:
        """See ``aremove_schedule``."""
        return self.block("aremove_schedule", self.aremove_schedule, name)

    def schedule_once(self) -> int:
        """See ``aschedule_once``."""
        return self.block("aschedule_once", self.aschedule_once)
