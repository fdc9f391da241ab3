"""examples/flask_app.py under werkzeug's server."""

from collections.abc import Callable
from uuid import UUID

from programs import Start

from headrace import Headrace


def test_a_request_is_answered_with_202_and_its_job_is_run(
    start: Start, app: Headrace, need: Callable[..., None]
) -> None:
    need("flask", "httpx")
    import httpx

    server = start("flask_app.py", PORT="0")
    address = server.wait_line(r"Running on (http://127\.0\.0\.1:\d+)")[1]
    with httpx.Client(base_url=address, trust_env=False) as client:
        answer = client.post("/customers/42/reports")
        assert answer.status_code == 202
        job_id = answer.json()["id"]
        assert str(UUID(job_id)) == job_id
        app.join(job_id, timeout=20)
        assert client.get(f"/jobs/{job_id}").json() == {
            "state": "completed",
            "attempt": 1,
            "result": "the report for customer 42",
            "error": None,
        }
        assert client.get(f"/jobs/{app.ids.new()}").status_code == 404
        assert client.post("/customers/ada/reports").status_code == 404
    assert "Traceback" not in server.output
