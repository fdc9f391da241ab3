"""What a program does with jobs, async: enqueue, look, cancel, send back."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Unpack

from headrace.interface.config import check_count
from headrace.interface.core import Core, JobReference, id_of
from headrace.interface.enlisting import aenqueue_within, ainsert_within, session_of
from headrace.interface.page import Page
from headrace.interface.task import Call
from headrace.interface.template import Template, Using, refine, template_for
from headrace.model import lifecycle
from headrace.model.change import Status
from headrace.model.codec import encode_bytes, encode_untyped
from headrace.model.errors import InvalidOption, JobNotFound, KeyHeld, NotRetryable
from headrace.model.job import Encoding, Job, NewJob
from headrace.model.names import check_name
from headrace.model.state import RUNNING, WAITING, State
from headrace.runtime import events
from headrace.runtime.events import Event
from headrace.storage.contract import Filter, Receipt

LARGEST_PAGE = 10_000


class CancelOutcome(StrEnum):
    """What ``cancel`` did."""

    CANCELLED = "cancelled"
    """It was waiting, and will never start."""
    REQUESTED = "requested"
    """It runs: its worker will stop it, unless it finishes first."""
    ALREADY_FINAL = "already_final"
    NOT_FOUND = "not_found"


class Jobs(Core):
    """Operations on jobs."""

    async def aenqueue(
        self,
        task: str,
        arguments: Mapping[str, object] | bytes = {},
        **using: Unpack[Using],
    ) -> Receipt[object]:
        """Enqueue by name, with a JSON object or bytes. A task that this program doesn't register needs no code
        here; its arguments are then JSON values only."""
        call = self.by_name(task, arguments, using)
        new = call.template.make(self.ids.new(), call.payload, call.encoding)
        if call.template.session is not None:
            return await aenqueue_within(self.handles, new, call.template)
        return await self.send(new, call.template.strict)

    def by_name(self, task: str, arguments: Mapping[str, object] | bytes, using: Using) -> Call[object]:
        """The checked call behind ``aenqueue``."""
        handler = self.registry.get(check_name("task", task))
        template = template_for(handler) if handler else Template(task, self.route_for(task, using.get("queue")))
        template = refine(template, using, self.clock.wall()) if using else template
        limit = self.settings.max_payload
        if isinstance(arguments, bytes):
            return Call(template, encode_bytes(arguments, limit), Encoding.BYTES)
        if not isinstance(arguments, Mapping):
            raise InvalidOption("arguments", arguments, "they must be a mapping of names to values, or bytes")
        if handler is None:
            return Call(template, encode_untyped(arguments, limit))
        return Call(template, handler.signature.encode_named(arguments, limit))

    async def aenqueue_many(self, calls: Sequence[Call[Any]], *, session: object = None) -> Sequence[Receipt[Any]]:
        """Enqueue all in one atomic step, or none. Receipts in order. With ``session``: inside the caller's own
        transaction, which is one for all of them."""
        session, jobs = self.sorted_out(calls, session)
        if session is not None:
            return await ainsert_within(self.handles, jobs, session) if jobs else ()
        handle = await self.here()
        if self.declared_limits.unchecked:
            await self.declared_limits.check(handle.storage, {job.task for job in jobs})
        receipts = await handle.storage.insert(jobs) if jobs else ()
        if self.bus.wants(events.QUEUED):
            for job, receipt in zip(jobs, receipts, strict=True):
                self.tell_queued(job, receipt)
        return receipts

    def sorted_out(self, calls: Sequence[Call[Any]], session: object) -> tuple[object, Sequence[NewJob]]:
        """The new jobs behind ``enqueue_many``, and the one session in which they are enqueued, if any."""
        ids = self.ids.several(len(calls))
        return session_of(calls, session), [call.make_within(job_id) for call, job_id in zip(calls, ids, strict=True)]

    async def ajob(self, job: JobReference) -> Job | None:
        """The job as stored, or None where the store doesn't know it."""
        storage = (await self.here()).storage
        return (await storage.get([id_of(job)]))[0]

    async def ajobs(
        self,
        *,
        state: str | State | None = None,
        queue: str | None = None,
        task: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[Job]:
        """Jobs that pass every condition given, newest first."""
        where = Filter(
            states=None if state is None else frozenset({_state(state)}),
            queue=None if queue is None else check_name("queue", queue),
            task=None if task is None else check_name("task", task),
        )
        storage = (await self.here()).storage
        page = await storage.find(where, limit=check_count("limit", limit, most=LARGEST_PAGE), after=after)
        return Page(page.jobs, page.next)

    async def acancel(self, job: JobReference) -> CancelOutcome:
        """Stop a job: at once while it waits, on request while it runs."""
        job_id = id_of(job)
        storage = (await self.here()).storage
        while True:
            found = (await storage.get([job_id]))[0]
            if found is None:
                return CancelOutcome.NOT_FOUND
            change = lifecycle.cancel(found)
            if change is None:
                return CancelOutcome.ALREADY_FINAL
            verdict = (await storage.apply([change]))[0]
            if verdict.status is Status.APPLIED:
                if found.state in RUNNING:
                    return CancelOutcome.REQUESTED
                self._tell(events.CANCELLED, found, found.attempt)
                return CancelOutcome.CANCELLED

    def _tell(self, event_id: str, job: Job, attempt: int, reason: str | None = None) -> None:
        if self.bus.wants(event_id):
            at = self.clock.wall()
            self.bus.emit(Event(event_id, job.id, job.task, job.queue, attempt, None, at, None, reason))

    async def aretry(self, job: JobReference) -> None:
        """Send a dead job back with new budgets. JobNotFound, NotRetryable, or KeyHeld."""
        self._tell(events.QUEUED, await self._move(id_of(job), lifecycle.retry, "dead"), 0, "retried")

    async def arun_now(self, job: JobReference) -> None:
        """Don't wait for its due time. JobNotFound, or NotRetryable where it doesn't wait for one."""
        await self._move(id_of(job), lifecycle.run_now, "scheduled or retrying")

    async def _move(self, job_id: str, decide: lifecycle.Command, wanted: str) -> Job:
        storage = (await self.here()).storage
        while True:
            found = (await storage.get([job_id]))[0]
            if found is None:
                raise JobNotFound(job_id)
            change = decide(found)
            if change is None:
                raise NotRetryable(job_id, found.state, wanted)
            verdict = (await storage.apply([change]))[0]
            if verdict.status is Status.APPLIED:
                return found
            if verdict.status is Status.HELD:
                raise KeyHeld(job_id, found.key or "", verdict.holder or "")

    async def acounts(self) -> Mapping[str, Mapping[State, int]]:
        """How many jobs are in each state, by queue."""
        counts: dict[str, dict[State, int]] = {}
        for (queue, state), count in (await (await self.here()).storage.count()).items():
            counts.setdefault(queue, {})[state] = count
        return counts

    async def apending_count(self, queue: str | None = None) -> int:
        """Everything that waits: due, delayed and retrying jobs."""
        return await self._count(WAITING, queue)

    async def ainflight_count(self, queue: str | None = None) -> int:
        """Everything that runs, on any worker."""
        return await self._count(RUNNING, queue)

    async def _count(self, states: frozenset[State], queue: str | None) -> int:
        counts = await (await self.here()).storage.count()
        return sum(count for (name, state), count in counts.items() if state in states and queue in (None, name))


def _state(value: object) -> State:
    try:
        return State(str(value))
    except ValueError:
        raise InvalidOption("state", value, f"it must be one of {', '.join(State)}") from None
