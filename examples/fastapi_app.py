"""FastAPI: a request enqueues and is answered with 202; the worker lives in the program's lifespan.

    pip install fastapi uvicorn
    uvicorn --app-dir examples fastapi_app:api
    curl -i 127.0.0.1:8000/emails --json '{"to": "ada@example.com", "subject": "hello"}'
    curl 127.0.0.1:8000/jobs/ID

When the answer is sent, the job is on disk. What was not run when the program stops is run when it starts again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from headrace import Headrace, RetryPolicy, State

jobs = Headrace()  # HEADRACE_URL, else sqlite:///headrace.db


@jobs.task(retry=RetryPolicy.exponential(max_attempts=4, base="500ms"))
async def send_email(to: str, subject: str) -> str:
    return f"sent {subject!r} to {to}"  # send_email.py sends it for real


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with jobs, jobs.worker({"default": 4}):
        yield


api = FastAPI(lifespan=lifespan)


class Email(BaseModel):
    to: str
    subject: str


@api.post("/emails", status_code=202)
async def post_email(email: Email) -> dict[str, str]:
    receipt = await send_email.aenqueue(email.to, email.subject)
    return {"id": receipt.id}


@api.get("/jobs/{job_id}")
async def get_job(job_id: UUID) -> dict[str, object]:
    job = await jobs.ajob(job_id)
    if job is None:
        raise HTTPException(404, "no such job")
    result = await jobs.aresult(job) if job.state is State.COMPLETED else None
    return {"state": job.state, "attempt": job.attempt, "result": result, "error": job.last_error}
