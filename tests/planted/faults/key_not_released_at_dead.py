from headrace.model import lifecycle
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A job that ends dead keeps its dedup key.",
    disaster="A unique job that had failed once could never be enqueued again.",
    edits=[
        instead(lifecycle._dead, "reason=reason, release_key=True", "reason=reason"),
    ],
)
