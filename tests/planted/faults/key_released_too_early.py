from headrace.storage.memory import claiming
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="Every dedup key is given up at the claim, also one that holds until the end.",
    disaster="Unique until executing where unique until executed was asked for: payments ran side by side.",
    edits=[
        instead(claiming._take, " and job.until is Until.CLAIMED", ""),
    ],
)
