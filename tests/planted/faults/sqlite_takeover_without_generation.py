from headrace.storage.sqlite import leasing
from tests.planted.planting import Fault, Proof, statement

FAULT = Fault(
    wrong="On SQLite, a rescuer takes jobs over under their old generation.",
    disaster="An answer that says one thing, and a row that says another.",
    edits=[
        statement(leasing, "_LEASE", "take_over", "generation = generation + 1, ", ""),
    ],
    proof=Proof.SQLITE,
)
