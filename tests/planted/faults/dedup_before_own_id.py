from headrace.storage.memory import inserting
from tests.planted.planting import LOSSES, Fault, instead

FAULT = Fault(
    wrong="An insert looks at the key before it looks whether the job is there already.",
    disaster="A call was repeated because its answer was lost, and was told that its own job was somebody else's.",
    edits=[
        instead(inserting.insert_jobs, "if new.id not in there:", "if new.id not in there or new.key is not None:"),
    ],
    under=LOSSES,
)
