"""What processes write down of their own doings."""

from collections.abc import Sequence

import msgspec

from headrace.model.job import Job, NewJob
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.history.records import Ended, Enqueueing, Started, Wanted


def note_start(ledger: Ledger, job: Job) -> None:
    """Its handler begins."""
    ledger.write(
        lambda at, process: Started(
            at=at,
            process=process,
            job=job.id,
            generation=job.generation,
            attempt=job.attempt,
            payload=job.payload,
        )
    )


def note_end(ledger: Ledger, job: Job, outcome: str, result: object = None) -> None:
    """Its handler came to its end."""
    text = None if result is None else msgspec.json.encode(result).decode()
    ledger.write(
        lambda at, process: Ended(
            at=at,
            process=process,
            job=job.id,
            generation=job.generation,
            outcome=outcome,
            result=text,
        )
    )


def note_wanted(ledger: Ledger, new: Sequence[NewJob], parent: str | None = None) -> int:
    """Write down that these are asked for; the number of the call."""
    call = ledger.next_call()
    jobs = [wanted(each, parent) for each in new]
    ledger.write(lambda at, process: Enqueueing(at=at, process=process, call=call, jobs=jobs))
    return call


def wanted(new: NewJob, parent: str | None) -> Wanted:
    """A new job as it is written down."""
    return Wanted(
        id=new.id,
        task=new.task,
        queue=new.queue,
        payload=new.payload,
        priority=new.priority,
        delay=new.delay,
        due_at=new.at,
        key=new.key,
        until=new.until,
        window=new.window,
        parent=parent,
    )
