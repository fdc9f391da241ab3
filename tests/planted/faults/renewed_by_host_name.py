from headrace.interface.running import Running
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A worker's id is the name of its host.",
    disaster="Replicas with one host name renewed each other's leases: schedules ran three times in a minute.",
    edits=[
        instead(Running.worker, "worker_id or self.ids.new()", "worker_id or host_name()"),
    ],
)
