from headrace.runtime.strays import Strays
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="Nobody looks for jobs of a claim whose answer was lost.",
    disaster="Jobs that a queue had handed out to a consumer that never heard of them, kept by its heartbeat.",
    edits=[
        instead(Strays.suspect, "self._looks = _LOOKS", "pass"),
    ],
)
