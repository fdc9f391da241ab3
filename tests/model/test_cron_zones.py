"""When schedules fire in thirty zones and ten years of clock changes, against a scan of every minute."""

from itertools import takewhile

import pytest
from cron_scan import Window, plan, transitions

from headrace.model.cron import parse_cron

ZONES = [
    *("UTC", "Europe/Paris", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Istanbul", "Europe/Moscow"),
    *("Africa/Casablanca", "Africa/Cairo", "Africa/Windhoek", "America/New_York", "America/St_Johns"),
    *("America/Sao_Paulo", "America/Asuncion", "America/Santiago", "America/Havana", "America/Scoresbysund"),
    *("America/Caracas", "America/Mexico_City", "Asia/Tehran", "Asia/Beirut", "Asia/Amman", "Asia/Gaza"),
    *("Asia/Damascus", "Asia/Kolkata", "Asia/Pyongyang", "Australia/Lord_Howe", "Australia/Adelaide"),
    *("Pacific/Apia", "Pacific/Chatham", "Antarctica/Troll", "Antarctica/Casey"),
]
"""Midnight changes (Sao_Paulo, Asuncion, Santiago, Havana, Beirut, Gaza, Amman, Tehran, Cairo), changes by half an hour
(Lord_Howe, Caracas, Pyongyang), by two (Troll), by three (Casey), a day left out (Apia), none at all."""
YEARS = (2011, 2020)

FIXED = ["0 0 * * *", "30 0,1,2,3 * * *", "15 2 * * *", "5,35 1-4/2 * * 0,5,6", "0 3 L * *"]
ELAPSED = ["*/25 * * * *", "7 * * * *", "*/20 0-3 * * *", "* 2 * * SUN", "*/30 2 * 3,10 0L"]
AROUND = 26 * 3600
A_LEAP_DAY = 1_456_704_000


@pytest.mark.parametrize("zone", ZONES)
def test_firings_around_ten_years_of_clock_changes(zone: str) -> None:
    found = transitions(zone, *YEARS)
    assert found or zone in ("UTC", "Asia/Kolkata")
    crons = [(parse_cron(text, zone), plan(text)) for text in (*FIXED, *ELAPSED)]
    for transition in found or [A_LEAP_DAY]:
        window = Window(zone, transition - AROUND, transition + AROUND)
        for cron, expected in crons:
            firings = takewhile(lambda firing: firing < window.end * 1000, cron.firings(window.start * 1000))  # noqa: B023
            assert [firing // 1000 for firing in firings] == window.scan(expected), (cron, transition)
