from headrace.storage.memory import inserting
from tests.planted.planting import Fault, everybody_leads, instead

FAULT = Fault(
    wrong="An insert whose record was changed by somebody else goes on without the record.",
    disaster="A database driver told wrong of the rows that it had changed: a lost race looked like a win.",
    edits=[
        everybody_leads(),
        instead(inserting.insert, "raise PutLost(lost.kind, lost.name)", "pass"),
    ],
)
