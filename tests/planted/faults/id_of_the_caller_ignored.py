from headrace.interface.template import Template
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A job gets a new id each time that it is sent, whatever id the caller gave.",
    disaster="A call whose answer was lost was sent again, and the order was made twice.",
    edits=[
        instead(Template.make, "self.id or job_id", "job_id"),
    ],
)
