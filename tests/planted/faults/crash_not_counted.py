from headrace.model import lifecycle
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A rescue forgets to count the crash.",
    disaster="A job that killed its worker was tried every hour, for weeks.",
    edits=[
        instead(lifecycle._crashed, 'crashes=1, ended=ended, reason="crashed"', 'ended=ended, reason="crashed"'),
    ],
)
