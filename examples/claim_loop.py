"""Claim jobs by hand: a loop of your own instead of a worker, as in Taquba.

    headrace enqueue checksum '{"path": "README.md"}' --queue files --storage sqlite:///headrace.db
    python examples/claim_loop.py

Kill it between claim and ack: once the lease has run out, the loop that is there then gets the job. The lease is short
here, so that you don't wait long; 30 seconds are the default.
"""

import asyncio
import hashlib
from pathlib import Path

from headrace import Claim, Headrace, LeaseLost, PermanentFailure

app = Headrace()  # HEADRACE_URL, else sqlite:///headrace.db


def checksum(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


async def work(claim: Claim) -> None:
    match claim.task, claim.arguments:
        case "checksum", {"path": str(path)}:
            try:
                result = await asyncio.to_thread(checksum, path)
            except OSError as error:
                await app.anack(claim, error)  # tried again later; dead in the end
            else:
                await app.aack(claim, result)
        case _:
            await app.anack(claim, PermanentFailure("this loop does no such work"))


async def main() -> None:
    async with app, app.housekeeping():
        while True:
            claims = await app.aclaim("files", limit=10, lease="3s")
            for claim in claims:
                try:
                    await app.arenew(claim)  # those before it took their time
                    await work(claim)
                except LeaseLost as lost:
                    print(lost)
            if not claims:
                await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
