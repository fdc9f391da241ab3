from headrace.storage.memory import applying
from tests.planted.planting import ZOMBIES, Fault, instead

FAULT = Fault(
    wrong="Follow-up jobs are inserted before the guard is looked at.",
    disaster="Children of a run that had lost its job were enqueued a second time by its successor.",
    edits=[
        instead(
            applying._apply,
            "    if not passes(",
            "    insert_jobs(store, change.then, now)\n    if not passes(",
        ),
    ],
    under=ZOMBIES,
)
