from headrace.model import lifecycle
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A job whose worker vanished has lost an attempt.",
    disaster="Three restarts of a server moved healthy jobs to the dead letters.",
    edits=[
        instead(lifecycle._crashed, "delay=delay, attempt=-1, ", "delay=delay, "),
    ],
)
