from headrace.model import change
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A delayed job can be claimed at once.",
    disaster="Reminders for next month were sent in the minute in which they were ordered.",
    edits=[
        instead(change.inserted, "State.PENDING if due_at <= now else State.SCHEDULED", "State.PENDING"),
    ],
)
