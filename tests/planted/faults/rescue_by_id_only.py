from headrace.model.change import Change, In
from headrace.model.state import RUNNING
from headrace.runtime import rescuer
from tests.planted.planting import Fault, instead, value


def _by_id(change: Change) -> Change:
    return Change(change.job_id, In(RUNNING), change.patch)


FAULT = Fault(
    wrong="The rescuer puts jobs back by their ids, without looking whether they are still its own.",
    disaster=(
        "The commonest bug of all: a maintenance pass reads what is running, and then overwrites "
        "jobs that have ended meanwhile."
    ),
    edits=[
        value(rescuer, "_by_id", _by_id),
        instead(
            rescuer.Rescuer._settle,
            "lifecycle.lapse(job, self._entropy(), self._crash_budget)",
            "_by_id(lifecycle.lapse(job, self._entropy(), self._crash_budget))",
        ),
    ],
)
