from headrace.storage.memory import claiming
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="Only jobs that were delayed become due; those that wait for their next try do not.",
    disaster="Retries waited in a list of their own which one release no longer looked at.",
    edits=[
        instead(
            claiming._promote,
            "store.rows.replace(",
            "job.state is State.SCHEDULED and store.rows.replace(",
        ),
    ],
)
