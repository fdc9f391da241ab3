"""A way to a server on which connections are cut: through a fault proxy, in a process of its own."""

import subprocess
import sys


class Detour:
    """One proxy. Its process ends with ours: it hears that nobody speaks to it any more."""

    def __init__(self, port: int) -> None:
        """To the Postgres at ``port`` of this machine."""
        command = [sys.executable, "-m", "headrace.testing.proxy", "--to", f"127.0.0.1:{port}", "--speaks", "postgres"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.port = int(self._heard())
        """Where it listens, on 127.0.0.1."""

    def cut(self) -> bool:
        """All its connections, now."""
        return self._ask("cut")

    def lose_answers(self, length: int) -> bool:
        """Each of its connections is cut in the middle of an answer: once so many more bytes of answers have come."""
        return self._ask(f"cut_after {length} to_client existing")

    def heal(self) -> bool:
        """Nothing is cut any more."""
        return self._ask("heal")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, line: str) -> bool:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._heard() == "ok"

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
