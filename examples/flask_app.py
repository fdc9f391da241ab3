"""Flask: a request enqueues and is answered with 202; the worker is a thread beside the server.

    pip install flask
    python examples/flask_app.py
    curl -i -X POST 127.0.0.1:5000/customers/42/reports
    curl 127.0.0.1:5000/jobs/ID

Where several processes serve requests, as under gunicorn, leave out ``background`` and run ``headrace worker
flask_app:jobs`` beside them.
"""

import os
from uuid import UUID

from flask import Flask, abort

from headrace import Headrace, State

jobs = Headrace()  # HEADRACE_URL, else sqlite:///headrace.db
web = Flask(__name__)


@jobs.task
def make_report(customer: int) -> str:
    return f"the report for customer {customer}"


@web.post("/customers/<int:customer>/reports")
def post_report(customer: int) -> tuple[dict[str, str], int]:
    return {"id": make_report.enqueue(customer).id}, 202


@web.get("/jobs/<uuid:job_id>")
def get_job(job_id: UUID) -> dict[str, object]:
    job = jobs.job(job_id)
    if job is None:
        abort(404)
    result = jobs.result(job) if job.state is State.COMPLETED else None
    return {"state": job.state, "attempt": job.attempt, "result": result, "error": job.last_error}


if __name__ == "__main__":
    with jobs, jobs.background({"default": 4}):
        web.run(port=int(os.environ.get("PORT", "5000")))
