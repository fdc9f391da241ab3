"""Names and numbers that programs rely on: none of them is changed quietly."""

import headrace
from headrace.interface.template import Using
from headrace.runtime.events import EVENTS
from headrace.runtime.settings import CONCURRENCY, Settings
from headrace.runtime.timeline import MINUTE


def test_the_ids_of_events() -> None:
    of_tako = {f"queue.job.{word}" for word in ("queued", "started", "completed", "failed", "retrying", "dead_letter")}
    ours = {f"queue.job.{word}" for word in ("cancelled", "snoozed", "throttled", "rescued")}
    assert set(EVENTS) >= of_tako | ours


def test_numbers_that_other_systems_have_too() -> None:
    assert (headrace.HIGH, headrace.NORMAL, headrace.LOW) == (100, 1_000, 10_000)
    assert headrace.MAX_KV_VALUE_SIZE == 256 * 1024
    assert (Settings().lease, CONCURRENCY, MINUTE) == (30, 4, 60_000)


def test_defaults_of_an_app() -> None:
    settings = Settings()
    assert (settings.lease, settings.beat, settings.reap, settings.poll) == (30, 10, 5, 1)
    assert (settings.grace, settings.patience, settings.kill_after) == (25, 10, 5)
    assert (settings.unknown_task_grace, settings.crash_budget, settings.max_payload) == (3_600, 3, 1_048_576)


def test_options_of_a_job() -> None:
    words = {"delay", "at", "queue", "priority", "key", "until", "for_", "max_attempts", "retry", "timeout"}
    assert words | {"retention", "headers", "id", "kv", "session"} <= set(Using.__annotations__)
