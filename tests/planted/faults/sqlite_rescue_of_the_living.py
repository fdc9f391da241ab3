from headrace.storage.sqlite import leasing
from tests.planted.planting import Fault, Proof, statement

FAULT = Fault(
    wrong="On SQLite, a rescue takes whatever runs, as soon as any lease has run out.",
    disaster="A recovery list that held all that was pending, and not what its owner had left.",
    edits=[
        statement(
            leasing,
            "_LEASE",
            "orphans",
            "AND worker NOT IN (SELECT id FROM workers WHERE boot_id = ?1 AND ends_at > ?2)",
            "AND ?1 = ?1 AND ?2 = ?2",
        ),
    ],
    proof=Proof.SQLITE,
)
