"""A process that enqueues while it forks, and its children that go on with the app they find."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence

from msgspec.structs import replace

from headrace.testing.chaos.asking import Asker, call_of
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.chaos.recording import RecordedApp
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import make_app
from headrace.testing.history.records import Answer, Died, Enqueued, Enqueueing, Wanted

_BEFORE, _BY_CHILD, _CALL = 5, 8, 3
_DEADLINE = 15
"""Seconds after which a child that hangs is ended by its alarm."""


class Forker:
    """The parent, and after a fork the child."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._ledger = station.open_ledger()
        self._app = make_app(station, self._ledger)
        self._asker = Asker(station, self._app.ids.new)
        self._stopping = threading.Event()
        self._failed = False

    def run(self) -> int:
        """Both the app's threads and one of our own are in the middle of something at each fork."""
        dice = self._asker.dice.of("forks")
        for _ in range(_BEFORE):
            self._ask(self._ledger, self._app, self._asker.ask(_CALL))
        beside = threading.Thread(target=self._keep_asking)
        beside.start()
        children = [self._fork(number, killed=dice.chance(0.25)) for number in range(12)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        self._stopping.set()
        beside.join()
        self._app.close()
        return int(self._failed or any(code not in (0, -signal.SIGKILL) for code in codes))

    def _keep_asking(self) -> None:
        try:
            while not self._stopping.is_set():
                self._ask(self._ledger, self._app, self._asker.ask(_CALL))
        except BaseException:
            self._failed = True
            raise

    def _fork(self, number: int, *, killed: bool) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.alarm(_DEADLINE)
            self._serve(number, killed=killed)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)

    def _serve(self, number: int, *, killed: bool) -> None:
        """Enqueues by the app that the parent made and uses."""
        own = replace(self._station, role=f"{self._station.name}-child", number=number)
        ledger = own.open_ledger()
        asker = Asker(replace(own, number=own.number + 100 * self._station.number), self._app.ids.new)
        for each in range(_BY_CHILD):
            if killed and each == _BY_CHILD // 2:
                ledger.write(lambda at, process: Died(at=at, process=process))
                os.kill(os.getpid(), signal.SIGKILL)
            self._ask(ledger, self._app, asker.ask(_CALL))
        self._app.close()

    def _ask(self, ledger: Ledger, app: RecordedApp, jobs: Sequence[Wanted]) -> None:
        call = ledger.next_call()
        ledger.write(lambda at, process: Enqueueing(at=at, process=process, call=call, jobs=jobs))
        receipts = app.enqueue_many([call_of(app, job) for job in jobs])
        answers = [Answer(receipt.id, receipt.duplicate) for receipt in receipts]
        ledger.write(lambda at, process: Enqueued(at=at, process=process, call=call, answers=answers))


def fork(station: Station) -> int:
    """The whole process."""
    return Forker(station).run()
