"""Webhooks: signed, and repeated until the receiver has taken them.

    pip install httpx
    cd examples
    export WEBHOOK_SECRET=whsec_$(openssl rand -base64 24)
    headrace worker webhooks:app
    headrace enqueue webhooks:app webhooks.deliver '{"url": "https://example.com/hook", "event": {"paid": 42}}'

Headers and signature are those of https://www.standardwebhooks.com, so receivers find a library that checks them. The
id is the job's. It is the same at every try, which lets a receiver drop what it has seen. Where others choose the
URLs, refuse those that lead into your own network.
"""

import base64
import hmac
import json
import os
import time

import httpx

from headrace import Headrace, PermanentFailure, RetryPolicy, Throttled, current

app = Headrace()  # HEADRACE_URL, else sqlite:///headrace.db
SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
LONGEST_PAUSE = 3600.0
client: httpx.AsyncClient


@app.on_worker_start
async def open_client() -> None:
    global client
    client = httpx.AsyncClient(timeout=10)


@app.on_worker_stop
async def close_client() -> None:
    await client.aclose()


@app.task(
    queue="webhooks",
    retry=RetryPolicy.exponential(max_attempts=15, base="1s", cap="1h"),
    give_up_on=(httpx.InvalidURL, httpx.UnsupportedProtocol),
    timeout="30s",
)
async def deliver(url: str, event: dict[str, object]) -> int:
    body = json.dumps(event).encode()
    async with client.stream("POST", url, content=body, headers=headers(current().job.id, body)) as response:
        status = response.status_code  # what else it says, nobody reads
    if response.is_success:
        return status
    if status == 429:
        raise Throttled(pause(response.headers.get("Retry-After", "")))  # later, and no attempt is used up
    if status == 408 or response.is_server_error:
        raise ConnectionError(f"{url} answered {status}")  # tried again
    raise PermanentFailure(f"{url} answered {status}")


def headers(webhook_id: str, body: bytes) -> dict[str, str]:
    moment = str(int(time.time()))
    signature = hmac.digest(SECRET, f"{webhook_id}.{moment}.".encode() + body, "sha256")
    return {
        "Content-Type": "application/json",
        "Webhook-Id": webhook_id,
        "Webhook-Timestamp": moment,
        "Webhook-Signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def pause(retry_after: str) -> float:
    return min(float(retry_after), LONGEST_PAUSE) if retry_after.isdecimal() else 60.0
