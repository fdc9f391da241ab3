"""The machine's own name, threads and processes."""

import socket
from pathlib import Path

from headrace.system.spawn import Companion, Ended, Hosted, Main, Order, Processes, Serve, Threads
from headrace.system.threads import HostedThread, ThreadPool


def host_name() -> str:
    """What this machine calls itself: for people, and no identity."""
    return socket.gethostname()


def born_at(pid: int) -> int | None:
    """When the process of this id started, in the kernel's ticks since the machine did; None: there is none, or it has
    ended and is a zombie. 0 where the kernel does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else 0
    return None if fields[0] in "ZX" else int(fields[19])


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
