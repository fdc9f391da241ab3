from headrace.runtime.loop import Loop
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A background loop ends with the first error that its step meets.",
    disaster="A scheduler was dead after an outage; consumers reconnected and never fetched again.",
    edits=[
        instead(
            Loop.run,
            "failures += 1",
            "self._stopped = True",
        ),
    ],
)
