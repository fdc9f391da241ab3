from headrace.storage.sqlite import claiming
from tests.planted.planting import Fault, Proof, statement

FAULT = Fault(
    wrong="On SQLite, a ceiling counts jobs that wait instead of those that run.",
    disaster="A where clause with the wrong state in it, right in every test with one job.",
    edits=[
        statement(claiming, "_CLAIM", "running", "'running'", "'pending'"),
    ],
    proof=Proof.SQLITE,
)
