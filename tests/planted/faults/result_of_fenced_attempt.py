from headrace.model.change import Patch
from headrace.storage.memory import applying
from tests.planted.planting import ZOMBIES, Fault, instead, value

FAULT = Fault(
    wrong="A completion that came too late leaves its result all the same.",
    disaster=(
        "Results were stored by the job's id, apart from its state: the caller got the answer of a run that "
        "did not count."
    ),
    edits=[
        instead(
            applying._apply,
            "    if not passes(change.guard, job):\n        return STALE\n    patch = change.patch",
            "    patch = change.patch\n    if not passes(change.guard, job):\n"
            "        left_behind = patched(job, Patch(result=patch.result), now)\n"
            "        store.rows.replace(job, left_behind)\n        return STALE",
        ),
        value(applying, "Patch", Patch),
    ],
    under=ZOMBIES,
)
