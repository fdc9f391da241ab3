"""A proxy of our own between a client and a server, that does to their bytes what networks do.

``async with FaultProxy("127.0.0.1", 5432, speaks=PostgresDialogue) as proxy:``, or in a thread of its own:
``ProxyThread``, or as a process: ``python -m headrace.testing.proxy --to 127.0.0.1:5432 --speaks postgres``.
"""

from headrace.testing.proxy.answers import Dialogue as Dialogue
from headrace.testing.proxy.answers import Match as Match
from headrace.testing.proxy.answers import QuietDialogue as QuietDialogue
from headrace.testing.proxy.counts import Counts as Counts
from headrace.testing.proxy.faults import Direction as Direction
from headrace.testing.proxy.faults import On as On
from headrace.testing.proxy.http import HttpDialogue as HttpDialogue
from headrace.testing.proxy.http import HttpFaults as HttpFaults
from headrace.testing.proxy.postgres import PostgresDialogue as PostgresDialogue
from headrace.testing.proxy.proxy import FaultProxy as FaultProxy
from headrace.testing.proxy.thread import ProxyThread as ProxyThread
