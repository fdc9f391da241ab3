"""One job a tick, by real processes on one SQLite file of which the leader is killed at each tick."""

import signal
from collections import Counter
from pathlib import Path

import pytest
from survival import ticker
from survival.fleet import fleet, wait_until

from headrace import parse_cron

PROCESSES = 3
KILLS = 18


def test_the_leader_is_killed_at_each_tick_and_each_tick_is_one_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet(tmp_path) as ships:
        living = [ships.start("-m", "survival.ticker") for _ in range(PROCESSES)]
        ended: list[int] = []

        def a_leader_died() -> bool:
            died = [process for process in living if process.poll() is not None]
            for process in died:
                living.remove(process)
                ended.append(process.returncode)
            return bool(died)

        while len(ended) < KILLS:
            wait_until(a_leader_died, "a leader is killed at its tick")
            while len(living) < PROCESSES:
                living.append(ships.start("-m", "survival.ticker"))
        for process in living:
            ships.kill(process)
        assert set(ended) == {-signal.SIGKILL}
        deaths = Counter(record["how"] for record in ships.effects("dies"))
        assert deaths.total() >= KILLS

        monkeypatch.setenv("HEADRACE_URL", ships.url)
        with ticker.make_app() as app:
            while app.schedule_once():
                pass
            jobs = app.jobs(limit=10_000)
            schedules = {schedule.name: schedule for schedule in app.schedules()}
        assert jobs.next is None
        ticks = {name: sorted(job.due_at for job in jobs if job.queue == name) for name in schedules}
        for name, schedule in schedules.items():
            first, last = ticks[name][0], ticks[name][-1]
            assert schedule.last_at == last
            assert schedule.fired == len(ticks[name]) > KILLS / 3
            if name == "cron":
                expected, moment = [first], first
                while moment < last:
                    moment = parse_cron(ticker.CRON, "Europe/Paris").next(moment) or last
                    expected.append(moment)
            else:
                every = round(ticker.INTERVALS[name] * 1000)
                expected = list(range(first, last + 1, every))
            assert ticks[name] == expected, (name, deaths)
    print(f"{len(ended)} kills ({dict(deaths)}), {sum(map(len, ticks.values()))} ticks, as many jobs")
