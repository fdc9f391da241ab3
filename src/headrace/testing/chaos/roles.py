"""What a process of a run can be. ``python -m headrace.testing.chaos.roles`` becomes what its station says."""

import sys
from collections.abc import Callable, Mapping

from headrace.model.errors import StoreError
from headrace.testing.chaos import keeping
from headrace.testing.chaos.machine.forker import fork
from headrace.testing.chaos.machine.once import produce_once
from headrace.testing.chaos.operating import claim, operate
from headrace.testing.chaos.producer import ask, produce
from headrace.testing.chaos.sole.process import live_alone
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import SLOTS, make_app

GAVE_UP = 75
"""The exit code of a worker that could not open the store for as long as it is patient."""


def work(station: Station) -> int:
    """A worker without a supervisor."""
    try:
        make_app(station, station.open_ledger()).run(SLOTS)
    except StoreError as error:
        print(f"{station.name}: {error}", file=sys.stderr)
        return GAVE_UP
    return 0


def supervisor_command(processes: int) -> list[str]:
    """What users type."""
    queues = ",".join(f"{queue}:{slots}" for queue, slots in SLOTS.items())
    app = "headrace.testing.chaos.supervised:app"
    return [sys.executable, "-m", "headrace", "worker", app, "-q", queues, "--processes", str(processes)]


ROLES: Mapping[str, Callable[[Station], int]] = {
    "worker": work,
    "producer": produce,
    "once": produce_once,
    "forker": fork,
    "operator": operate,
    "claimer": claim,
    "opener": keeping.open_store,
    "closer": keeping.close_schedule,
    "asker": ask,
    "onlooker": keeping.await_rest,
    "sole": live_alone,
    "reader": keeping.read_rows,
}

if __name__ == "__main__":
    own = Station.from_environment()
    sys.exit(ROLES[own.role](own))
