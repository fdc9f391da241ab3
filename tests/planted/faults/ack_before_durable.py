from headrace.interface.jobs import Jobs
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="An enqueue is acknowledged when it was sent, and not when it was done.",
    disaster=(
        "A broker that made its log durable every two minutes lost an eighth of what it had acknowledged in a "
        "power cut."
    ),
    edits=[
        instead(
            Jobs.aenqueue_many,
            "receipts = await handle.storage.insert(jobs) if jobs else ()",
            "import asyncio\n"
            "    asyncio.gather(handle.storage.insert(jobs), return_exceptions=True)\n"
            "    receipts = [Receipt(job.id) for job in jobs]",
        ),
    ],
)
