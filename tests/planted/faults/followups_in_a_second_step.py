from headrace.runtime.completer import Completer
from headrace.storage.memory import applying
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="Follow-up jobs are inserted by a call of their own, once the completion is recorded.",
    disaster=(
        "Workflows whose next step was enqueued after the commit of the last one, or was not, where the "
        "process died between."
    ),
    edits=[
        instead(applying._apply, "if change.then:", "if False:"),
        instead(
            Completer._apply,
            "verdicts = await self._storage.apply(changes)",
            "verdicts = await self._storage.apply(changes)\n"
            "            pairs = zip(changes, verdicts)\n"
            "            new = [n for c, v in pairs if v.status is Status.APPLIED for n in c.then]\n"
            "            await self._storage.insert(new)",
        ),
    ],
)
