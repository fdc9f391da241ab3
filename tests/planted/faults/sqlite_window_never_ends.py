from headrace.storage.sqlite import keys
from tests.planted.planting import Fault, Proof, statement

FAULT = Fault(
    wrong="On SQLite, a dedup window lasts until somebody tidies up.",
    disaster="Locks with a time to live that nobody looked at.",
    edits=[
        statement(keys, "_KEYS", "holders", "WHERE keys.ends_at IS NULL OR keys.ends_at > ?2", "WHERE ?2 = ?2"),
    ],
    proof=Proof.SQLITE,
)
