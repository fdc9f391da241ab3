from headrace.model import lifecycle
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A worker that stops puts its jobs back, also those that are somebody else's by now.",
    disaster="A shutdown released locks by name, and with them those of the process that had taken over.",
    edits=[
        instead(
            lifecycle.hand_back,
            "return _unless_cancelled(job, _INTERRUPTED)",
            "return Change(job.id, In(RUNNING), _INTERRUPTED)",
        ),
    ],
)
