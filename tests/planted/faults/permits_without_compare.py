from headrace.runtime.limiter import Limiter
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="Permits of a limit are taken without a look whether others took some meanwhile.",
    disaster="A limit that held for each process and not for all of them: the upstream locked the account.",
    edits=[
        instead(Limiter._change, "Put(LIMIT, name, value, record.version)", "Put(LIMIT, name, value)"),
    ],
)
