from headrace.storage.sqlite import applying
from tests.planted.planting import Fault, Proof, statement

FAULT = Fault(
    wrong="On SQLite, many completions in one statement are fenced by their worker alone.",
    disaster="The quick way past a check that the slow way makes: what is tested is not what runs.",
    edits=[
        statement(applying, "_APPLY", "fence", " AND jobs.generation = wanted.value", ""),
    ],
    proof=Proof.SQLITE,
)
