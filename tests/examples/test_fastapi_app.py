"""examples/fastapi_app.py under a real uvicorn."""

import signal
from collections.abc import Callable
from uuid import UUID

import pytest
from programs import EXAMPLES, Program, Start

from headrace import Headrace


@pytest.fixture
def serve(start_python: Start, need: Callable[..., None]) -> Callable[[], tuple[Program, str]]:
    need("fastapi", "uvicorn", "httpx")

    def serve() -> tuple[Program, str]:
        server = start_python("-m", "uvicorn", "--app-dir", str(EXAMPLES), "fastapi_app:api", "--port", "0")
        return server, server.wait_line(r"running on (http://127\.0\.0\.1:\d+)")[1]

    return serve


def test_a_request_is_answered_with_202_and_its_job_is_run(
    serve: Callable[[], tuple[Program, str]], app: Headrace
) -> None:
    import httpx

    server, address = serve()
    with httpx.Client(base_url=address, trust_env=False) as client:
        answer = client.post("/emails", json={"to": "ada@example.com", "subject": "hello"})
        assert answer.status_code == 202
        job_id = answer.json()["id"]
        assert str(UUID(job_id)) == job_id
        app.join(job_id, timeout=20)
        assert client.get(f"/jobs/{job_id}").json() == {
            "state": "completed",
            "attempt": 1,
            "result": "sent 'hello' to ada@example.com",
            "error": None,
        }
        assert client.post("/emails", json={"to": "ada@example.com"}).status_code == 422
        assert client.get(f"/jobs/{app.ids.new()}").status_code == 404
        assert client.get("/jobs/nothing").status_code == 422
    server.end(signal.SIGTERM)
    assert "Application shutdown complete" in server.output
    assert "Traceback" not in server.output


def test_what_was_enqueued_while_it_was_down_is_run_when_it_is_up(
    serve: Callable[[], tuple[Program, str]], app: Headrace
) -> None:
    server, _ = serve()
    server.end(signal.SIGTERM)
    receipt = app.enqueue("fastapi_app.send_email", {"to": "ada@example.com", "subject": "late"})
    serve()
    assert app.result(receipt, timeout=20) == "sent 'late' to ada@example.com"
