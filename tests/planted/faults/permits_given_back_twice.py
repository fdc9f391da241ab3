from headrace.runtime.limiter import Limiter
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="Permits that were not used come back twofold.",
    disaster="A semaphore that was released once by the error path and once by the clean-up let everybody in.",
    edits=[
        instead(Limiter.give_back, "rate.give_back(bucket, unused, now)", "rate.give_back(bucket, 2 * unused, now)"),
    ],
)
