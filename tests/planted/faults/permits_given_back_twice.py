from headrace.model import rate
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="Permits that were not used come back twofold.",
    disaster="A semaphore that was released once by the error path and once by the clean-up let everybody in.",
    edits=[
        instead(
            rate.give_back,
            "bucket.level + unused * bucket.rate.period",
            "bucket.level + 2 * unused * bucket.rate.period",
        ),
    ],
)
