"""The app of the next release: it has a task that those who run ``replicas.app`` don't know."""

from replicas.app import app, work


@app.task(name="fresh", queue="fresh")
async def fresh(number: int) -> None:
    await work(0.1)


__all__ = ["app"]
