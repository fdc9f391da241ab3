from headrace.interface.jobs import Jobs
from headrace.storage.memory import inserting
from tests.planted.planting import SLOW, Fault, instead

FAULT = Fault(
    wrong="Whether a key is held is asked in one call, and the job is inserted in the next.",
    disaster="Two requests in one moment each saw that there was no such job, and both made it.",
    edits=[
        instead(inserting.insert_jobs, "keys.holder(new.queue, new.key, now)", "None"),
        instead(
            Jobs.aenqueue_many,
            "receipts = await handle.storage.insert(jobs) if jobs else ()",
            "now, keys = await handle.storage.now(), handle.storage._inner._store.keys\n"
            "    holders = [job.key and keys.holder(job.queue, job.key, now) for job in jobs]\n"
            "    holders = [None if holder == job.id else holder for job, holder in zip(jobs, holders)]\n"
            "    chosen = {job.key or job.id: job for job in jobs[::-1]}.values()\n"
            "    new = [job for job, holder in zip(jobs, holders) if not holder and job in chosen]\n"
            "    ids = {job.key: job.id for job in new}\n"
            "    await handle.storage.insert(new)\n"
            "    receipts = [\n"
            "        Receipt(holder or ids.get(job.key, job.id), bool(holder) or job not in new)\n"
            "        for job, holder in zip(jobs, holders)\n    ]",
        ),
    ],
    under=SLOW,
)
