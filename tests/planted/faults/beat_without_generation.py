from headrace.storage.memory import leasing
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A beat tells of lost jobs by their ids and not by their generations.",
    disaster="A worker went on with a run that was long over, because a later run of the same job was its own.",
    edits=[
        instead(
            leasing.beat,
            " or jobs[held_one.job_id].generation != held_one.generation",
            "",
        ),
    ],
    proof=Proof.MEMORY,
)
