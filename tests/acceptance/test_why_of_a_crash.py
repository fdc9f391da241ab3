"""What ``why`` says of a job while its worker is killed, as seen from another process."""

from pathlib import Path

from survival.fleet import fleet, wait_until

from headrace import Headrace
from headrace.model.facts import Reason, Why


def test_from_running_to_silent_to_lost_to_run_again(tmp_path: Path) -> None:
    with fleet(tmp_path, lease="6s") as ships, Headrace(ships.url) as app:
        job_id = app.enqueue("survival.app.block_thread", {"seconds": 60}).id
        said: list[Why] = []

        def says(*reasons: Reason) -> bool:
            said.append(app.why(job_id))
            return said[-1].reason in reasons

        assert says(Reason.NO_WORKER)
        first = ships.start_worker()
        wait_until(lambda: ships.effects("start"), "it has started")
        wait_until(lambda: says(Reason.RUNNING), "it runs")
        running = said[-1]
        assert running.label is not None
        assert str(first.pid) in running.sentence
        ships.kill(first)
        said.clear()
        wait_until(lambda: says(Reason.WORKER_SILENT), "its worker is missed")
        assert {why.reason for why in said} <= {Reason.RUNNING, Reason.WORKER_SILENT}
        silent = said[-1]
        assert (silent.worker, silent.label) == (running.worker, running.label)
        assert silent.seconds is not None
        assert 0 < silent.seconds <= 3
        wait_until(lambda: says(Reason.WORKER_LOST), "its lease has run out")
        assert {why.reason for why in said} <= {Reason.RUNNING, Reason.WORKER_SILENT, Reason.WORKER_LOST}
        assert "no live worker can take it over" in said[-1].sentence
        second = ships.start_worker()
        wait_until(lambda: says(Reason.COMPLETED), "another has run it")
        after = {why.reason for why in said} - {Reason.RUNNING, Reason.WORKER_SILENT, Reason.WORKER_LOST}
        known = {Reason.BEING_RESCUED, Reason.CRASHED, Reason.WILL_RUN, Reason.WAITS_TO_RUN_ALONE, Reason.COMPLETED}
        assert after <= known
        assert Reason.CRASHED in after
        assert ships.end(second) == 0
