from headrace.model import lifecycle
from tests.planted.planting import SLOW, Fault, instead

FAULT = Fault(
    wrong="A cancel that found the job waiting is written whatever the job is by then.",
    disaster="Jobs that were both finished and failed, for two writers each had looked before it wrote.",
    edits=[
        instead(lifecycle.cancel, "In(WAITING), Patch", "In(frozenset(State)), Patch"),
    ],
    under=SLOW,
)
