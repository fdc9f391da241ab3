"""The machine's own name, threads and processes."""

import socket

from headrace.system.spawn import Companion, Ended, Hosted, Main, Order, Processes, Serve, Threads
from headrace.system.threads import HostedThread, ThreadPool


def host_name() -> str:
    """What this machine calls itself: for people, and no identity."""
    return socket.gethostname()


class SystemSpawn:
    """Implements ``Spawn``."""

    def host(self, name: str, main: Main) -> Hosted:
        return HostedThread(name, main)

    def threads(self, name: str) -> Threads:
        return ThreadPool(name)

    def processes(self, serve: Serve, grace: float) -> Processes:
        from headrace.system.children import ChildPool

        return ChildPool(serve, grace, self.threads("headrace-process"))

    async def command(self, order: Order) -> Ended:
        from headrace.system.command import run_command

        return await run_command(order)

    async def companion(self, order: Order) -> Companion:
        from headrace.system.command import start_companion

        return await start_companion(order)
