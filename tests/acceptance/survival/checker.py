"""What may not have happened: a pure function over ledgers and the store's rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from headrace.model.job import Job
from headrace.model.state import FINAL, State
from survival.ledger import Record


@dataclass
class Verdict:
    """The counts, and every violation in words."""

    invoked: int = 0
    acknowledged: int = 0
    lost: int = 0
    starts: int = 0
    duplicate_starts: int = 0
    overlaps: int = 0
    """Runs that ended after a later run of the same job had started: allowed, and fenced."""
    fenced_ends: int = 0
    """Handlers that came to their end and were not the ones to complete their job."""
    double_completions: int = 0
    refused: int = 0
    """Late writes that a worker saw refused."""
    crashes: int = 0
    violations: list[str] = field(default_factory=list)

    def accuse(self, text: str) -> None:
        self.violations.append(text)


def judge(
    requests: Iterable[Record], effects: Sequence[Record], jobs: Sequence[Job], flaky: int, most_attempts: int
) -> Verdict:
    """``requests`` are the producers' records, ``effects`` the workers', in the order in which they were written."""
    verdict = Verdict()
    rows = {job.id: job for job in jobs}
    invoked, acknowledged = _requested(requests)
    verdict.invoked, verdict.acknowledged = len(invoked), len(acknowledged)
    verdict.crashes = sum(job.crashes for job in jobs)
    _judge_losses(verdict, acknowledged, rows)
    for job in jobs:
        _judge_row(verdict, job, flaky, most_attempts)
    _judge_ghosts(verdict, invoked, rows, effects)
    of_job: dict[str, list[Record]] = defaultdict(list)
    for effect in effects:
        if "job" in effect:
            of_job[effect["job"]].append(effect)
        elif effect["kind"] == "log" and "no longer held" in effect["text"]:
            verdict.refused += 1
    for job_id, records in of_job.items():
        if job_id in rows:
            _judge_runs(verdict, rows[job_id], records)
    for job in jobs:
        if job.state is State.COMPLETED and job.id not in of_job:
            verdict.accuse(f"{job.id} completed and never ran")
    return verdict


def _requested(requests: Iterable[Record]) -> tuple[dict[str, int], set[str]]:
    invoked: dict[str, int] = {}
    acknowledged: set[str] = set()
    for request in requests:
        if request["kind"] == "invoke":
            invoked |= request["jobs"]
        elif request["kind"] == "ok":
            acknowledged |= set(request["jobs"])
    return invoked, acknowledged


def _judge_losses(verdict: Verdict, acknowledged: Iterable[str], rows: dict[str, Job]) -> None:
    for job_id in acknowledged:
        job = rows.get(job_id)
        if job is None or job.state not in FINAL:
            verdict.lost += 1
            verdict.accuse(f"{job_id} was acknowledged and is {'unknown' if job is None else job.state}")


def _judge_row(verdict: Verdict, job: Job, flaky: int, most_attempts: int) -> None:
    if job.state is not State.COMPLETED:
        verdict.accuse(f"{job.id} is healthy and ended {job.state} ({job.reason})")
        return
    if job.attempt > most_attempts:
        verdict.accuse(f"{job.id} ran {job.attempt} attempts of {most_attempts}")
    number = int(job.result) if job.result is not None and job.result.isdecimal() else -1
    if f'"number":{number}' not in job.payload.replace(" ", ""):
        verdict.accuse(f"{job.id} with {job.payload} has the result {job.result}")
    attempts = 2 if number % flaky == 0 else 1
    if job.attempt != attempts:
        verdict.accuse(f"{job.id} took {job.attempt} attempts, {attempts} are right: crashes must burn none")


def _judge_ghosts(verdict: Verdict, invoked: dict[str, int], rows: dict[str, Job], effects: Iterable[Record]) -> None:
    for job_id in rows.keys() - invoked.keys():
        verdict.accuse(f"{job_id} is in the store and nobody asked for it")
    for effect in effects:
        if "job" not in effect:
            continue
        job_id = effect["job"]
        if job_id not in invoked:
            verdict.accuse(f"{effect['kind']} of {job_id}, which nobody asked for")
        elif "number" in effect and effect["number"] != invoked[job_id]:
            verdict.accuse(f"{job_id} ran with {effect['number']}, {invoked[job_id]} was asked for")
        if job_id not in rows:
            verdict.accuse(f"{effect['kind']} of {job_id}, which the store doesn't know")


def _judge_runs(verdict: Verdict, job: Job, records: Sequence[Record]) -> None:
    """One job's effects, in the order in which they were written."""
    newest = 0
    ended: list[int] = []
    attempts: set[int] = set()
    for record in records:
        if record["kind"] == "start":
            verdict.starts += 1
            verdict.duplicate_starts += record["attempt"] in attempts
            attempts.add(record["attempt"])
            if record["fence"] <= newest:
                verdict.accuse(f"{job.id} started with fence {record['fence']} after fence {newest}")
            newest = record["fence"]
        elif record["kind"] == "end":
            ended.append(record["fence"])
            verdict.overlaps += record["fence"] < newest
    if newest > job.generation:
        verdict.accuse(f"{job.id} ran with fence {newest}, its row says {job.generation}")
    _judge_completion(verdict, job, ended, Counter(record["kind"] for record in records)["completed"])
    by = {record["worker"] for record in records if record["kind"] == "completed"}
    if job.state is State.COMPLETED and by - {job.worker}:
        verdict.accuse(f"{job.id} was completed by {job.worker} in its row, {by} say their workers")


def _judge_completion(verdict: Verdict, job: Job, ended: Sequence[int], told: int) -> None:
    """``ended`` are the fences of runs that came to their end, ``told`` how often a worker was told: completed."""
    effective = ended.count(job.generation)
    verdict.fenced_ends += len(ended) - effective
    if told > 1 or effective > 1:
        verdict.double_completions += 1
        verdict.accuse(f"{job.id} was completed {max(told, effective)} times")
    if job.state is State.COMPLETED and effective == 0:
        verdict.accuse(f"{job.id} completed under fence {job.generation}, under which no run ended: {ended}")
