"""``headrace workers``."""

from collections.abc import Mapping, Sequence

from headrace.interface.cli.applications import open_app
from headrace.interface.cli.options import After, AppReference, AsJson, Limit, StorageUrl
from headrace.interface.cli.output import Json, moment, plural, print_json, print_table, say
from headrace.interface.watching import KnownWorker

_SHOWN = 5
"""Queues, and jobs, of one worker that a line names."""


def workers(
    app: AppReference = None,
    storage: StorageUrl = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List the worker processes on this store, oldest first, with what they run."""
    with open_app(app, storage) as opened:
        page = opened.workers(limit=limit, after=after)
    if as_json:
        print_json({"workers": [_worker_json(worker) for worker in page], "next": page.next})
        return
    if not page:
        say("no workers")
        return
    titles = ("WORKER", "LABEL", "HOST", "PID", "STARTED", "LEASE", "QUEUES", "RUNNING")
    print_table(titles, [_row(worker) for worker in page], cut_last=True)
    if page.next is not None:
        say(f"more: --after {page.next}")


def _worker_json(worker: KnownWorker) -> Json:
    told = worker.presence
    return {
        "id": worker.id,
        "label": told.label,
        "host": told.host,
        "pid": told.pid,
        "version": told.version,
        "queues": told.queues,
        "tasks": list(told.tasks),
        "more_tasks": told.more_tasks,
        "started_at": moment(told.started_at),
        "lease_seconds_left": worker.lease,
        "running": [
            {
                "id": job.id,
                "task": job.task,
                "queue": job.queue,
                "attempt": job.attempt,
                "started_at": moment(job.started_at),
            }
            for job in worker.running
        ],
    }


def _row(worker: KnownWorker) -> Sequence[object]:
    told = worker.presence
    lease = f"{worker.lease:.0f} s" if worker.lease > 0 else "vanished"
    jobs = [f"{job.task} {job.id}" for job in worker.running[:_SHOWN]]
    running = _some(jobs, len(worker.running))
    return worker.id, told.label, told.host, told.pid, moment(told.started_at), lease, _queues(told.queues), running


def _queues(slots: Mapping[str, int]) -> str:
    return _some([f"{name}:{count}" for name, count in list(slots.items())[:_SHOWN]], len(slots)).replace(",", "")


def _some(shown: Sequence[str], count: int) -> str:
    more = count - len(shown)
    return ", ".join([*shown, plural(more, "more").removesuffix("s")] if more else shown)
