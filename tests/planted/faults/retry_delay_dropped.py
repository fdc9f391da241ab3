from headrace.model import change
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A change does not move the due time: a failed job is tried again at once.",
    disaster="Retries without a pause brought down the service that had stumbled.",
    edits=[
        instead(change.patched, "job.due_at if patch.delay is None else now + round(patch.delay * 1000)", "job.due_at"),
    ],
)
