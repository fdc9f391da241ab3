from headrace.runtime.producer import Producer
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A job starts although its limit had no permit for it.",
    disaster="A limiter that was asked and whose answer nobody waited for.",
    edits=[
        instead(Producer._admit, "return admitted", "return jobs"),
    ],
    proof=Proof.LIMITS,
)
