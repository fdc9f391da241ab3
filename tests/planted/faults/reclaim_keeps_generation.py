from headrace.model import change
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A rescuer takes a job over under the generation that its lost worker has.",
    disaster="A store's old writer and its new one under one epoch: both are let through.",
    edits=[
        instead(change.reclaimed, "job.generation + 1", "job.generation"),
    ],
)
