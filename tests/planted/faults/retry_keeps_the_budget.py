from headrace.model import lifecycle
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A dead job that an operator sends back keeps its used-up attempts.",
    disaster="Jobs retried by hand failed at once, for their counters had not been set back.",
    edits=[
        instead(lifecycle.retry, "reset=True, ", ""),
    ],
)
