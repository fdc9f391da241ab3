from headrace.storage.memory import claiming
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A job becomes due a second before its time.",
    disaster="Rounding to whole seconds let jobs begin before the transaction that they were to follow.",
    edits=[
        instead(claiming._promote, "(now + 1,)", "(now + 1_001,)"),
    ],
)
