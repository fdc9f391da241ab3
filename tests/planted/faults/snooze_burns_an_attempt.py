from headrace.model import lifecycle
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A handler that wants to be called later has lost an attempt.",
    disaster="Jobs that met a rate limit three times were dead, without having failed.",
    edits=[
        instead(lifecycle.settle, "delay=delay, attempt=-1, ended", "delay=delay, ended"),
    ],
)
