from headrace.runtime.producer import Producer
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A worker looks for jobs only when it is told that there are some.",
    disaster="Notices were lost in a failover, and a full queue stood still until the next enqueue.",
    edits=[
        instead(Producer._wait, "look = self._settings.poll", "look = 1e9"),
    ],
)
