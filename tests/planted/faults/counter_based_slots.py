from headrace.storage.memory import applying, claiming
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="The ceiling of a queue is held by a counter, which a rescue does not count down.",
    disaster="A semaphore whose holder was killed: the slot was gone for good, until nothing ran any more.",
    edits=[
        instead(
            claiming._room,
            "control.concurrency - lane.counts[_RUNNING]",
            "control.concurrency - store.__dict__.setdefault('slots', {}).get(demand.queue, 0)",
        ),
        instead(
            claiming._take,
            "    start(running, lane)",
            "    start(running, lane)\n"
            "        slots = store.__dict__.setdefault('slots', {})\n"
            "        slots[job.queue] = slots.get(job.queue, 0) + 1",
        ),
        instead(
            applying._apply,
            "left.add(job.queue)",
            "left.add(job.queue)\n        if not job.rescued:\n            store.__dict__['slots'][job.queue] -= 1",
        ),
    ],
)
