from headrace.storage.sqlite import claiming
from tests.planted.planting import Fault, Proof, statement

FAULT = Fault(
    wrong="On SQLite, jobs are claimed in the order of their ids.",
    disaster="An ORDER BY that was shortened until it fitted an index.",
    edits=[
        statement(claiming, "_CLAIM", "first_pending", "ORDER BY priority, due_at, id", "ORDER BY id"),
        statement(claiming, "_CLAIM", "start", "ORDER BY priority, due_at, id", "ORDER BY id"),
    ],
    proof=Proof.SQLITE,
)
