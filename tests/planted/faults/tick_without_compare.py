from headrace.model.record import Expect
from headrace.runtime import scheduler
from headrace.runtime.scheduler import _Firing
from tests.planted.planting import Fault, everybody_leads, instead, value

FAULT = Fault(
    wrong="The cursor of a schedule is written without a look at what is there.",
    disaster="Two leaders for nineteen days, and every entry of the crontab ran twice.",
    edits=[
        everybody_leads(),
        instead(_Firing.put.fget, "self.version", "Expect.ANY"),
        value(scheduler, "Expect", Expect),
    ],
)
