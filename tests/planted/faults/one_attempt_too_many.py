from headrace.model import lifecycle
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A job gets one run more than its attempts allow.",
    disaster="Retries counted from nought by one half of a queue and from one by the other.",
    edits=[
        instead(lifecycle._failed, "job.attempt >= policy.max_attempts", "job.attempt > policy.max_attempts"),
    ],
)
