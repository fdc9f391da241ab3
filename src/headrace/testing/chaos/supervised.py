"""The app as ``headrace worker headrace.testing.chaos.supervised:app`` finds it."""

import os

from msgspec.structs import replace

from headrace.testing.chaos.ledger import clock_offset
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import make_app

station = Station.from_environment()
_own = replace(station, role=f"{station.role}-child-{os.getpid()}-{clock_offset() % 1000}")
"""Each worker of a supervisor has a ledger of its own; the supervisor itself never imports this."""
app = make_app(_own, _own.open_ledger())
