from headrace.model import lifecycle
from headrace.model.change import Patch
from headrace.model.state import State
from tests.planted.planting import Fault, value

FAULT = Fault(
    wrong="A job that is handed back at a stop has lost an attempt.",
    disaster="Every deploy cost long jobs one of their three tries, and the third deploy killed them.",
    edits=[
        value(lifecycle, "_INTERRUPTED", Patch(State.PENDING, reason="interrupted")),
    ],
)
