"""The app as ``headrace worker headrace.testing.chaos.supervised:app`` finds it."""

import os

from msgspec.structs import replace

from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import make_app

own = replace(Station.from_environment(), pid=os.getpid())
"""Each worker of a supervisor has a ledger of its own; the supervisor itself never imports this."""
app = make_app(own, own.open_ledger())
