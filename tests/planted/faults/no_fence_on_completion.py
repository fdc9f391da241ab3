from headrace.model import change
from tests.planted.planting import ZOMBIES, Fault, instead

FAULT = Fault(
    wrong="A change passes for whoever once held the job: only its state is looked at.",
    disaster=(
        "Rescuers, crons and consoles of several queues wrote by the job's id alone, over jobs that had ended "
        "or begun anew."
    ),
    edits=[
        instead(
            change.passes,
            "job.state is _RUNNING and job.generation == guard.generation and job.worker == guard.worker",
            "job.state is _RUNNING",
        ),
    ],
    under=ZOMBIES,
)
