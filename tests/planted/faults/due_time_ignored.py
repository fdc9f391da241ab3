from headrace.model import change
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A delayed job can be claimed at once.",
    disaster="Reminders for next month were sent in the minute in which they were ordered.",
    edits=[
        instead(change.inserted, "_PENDING if due_at <= now else _SCHEDULED", "_PENDING"),
    ],
)
