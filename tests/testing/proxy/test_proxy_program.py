"""The proxy in a thread and in a process of its own, and what it is told in lines."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from headrace.testing.proxy import Direction, FaultProxy, ProxyThread
from headrace.testing.proxy.commands import obey

PATIENCE = 20.0


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says what it hears."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    while data := connection.recv(1000):
                        connection.sendall(data)
                except ConnectionError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def test_in_a_thread(echo: int) -> None:
    with ProxyThread("127.0.0.1", echo) as thread, connect(thread.port) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        thread.ask(lambda proxy: proxy.cut_after(2, Direction.TO_CLIENT))
        client.sendall(b"hello")
        assert client.recv(100) == b"he"
        thread.wait(lambda proxy: proxy.connections == 0, PATIENCE)
        with pytest.raises(TimeoutError):
            thread.wait(lambda proxy: proxy.connections == 1, 0.01)


def test_a_thread_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="use it in a with block"):
        ProxyThread("127.0.0.1", 1).ask(FaultProxy.cut)


def test_as_a_process_it_obeys_line_by_line_and_ends_with_its_input(echo: int) -> None:
    argv = [sys.executable, "-m", "headrace.testing.proxy", "--to", f"127.0.0.1:{echo}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def say(line: str) -> str:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        with connect(int(process.stdout.readline())) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
            assert say("cut") == "ok"
            with pytest.raises(ConnectionResetError):
                client.recv(100)
        assert json.loads(say("counts"))["to_server"] == 5
        assert say("cut_after 5").startswith("error cut_after takes a number of bytes and a direction")
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


class Told(FaultProxy):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 1)
        self.told: list[object] = []

    def latency(self, *given: object, **options: object) -> None:
        self.told.append((given, options))

    slow = blackhole = cut_after = latency

    def drop_answers(self, match: object = None, times: int = 1) -> None:
        self.told.append((match and (match(b"an INSERT INTO x"), match(b"SELECT")), times))

    def stall_answers(self, seconds: float = 0.0, match: object = None, times: int = 1) -> None:
        self.drop_answers(match, times)
        self.told[-1] = (seconds, self.told[-1])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("latency 0.5", ((0.5,), {"on": "all"})),
        ("latency 0.5 0.1 new", ((0.5, 0.1), {"on": "new"})),
        ("slow 1000 existing", ((1000.0,), {"on": "existing"})),
        ("blackhole", ((None,), {"on": "all"})),
        ("blackhole to_client new", ((Direction.TO_CLIENT,), {"on": "new"})),
        ("cut_after 10 to_server", ((10, Direction.TO_SERVER), {"on": "all"})),
        ("drop_answers", (None, 1)),
        ("drop_answers 3", (None, 3)),
        ("drop_answers 2 INSERT INTO", ((True, False), 2)),
        ("stall_answers 3", (3.0, (None, 1))),
        ("stall_answers inf 2 INSERT INTO", (float("inf"), ((True, False), 2))),
    ],
)
def test_commands(line: str, told: object) -> None:
    proxy = Told()
    assert obey(proxy, line + "\n") == "ok"
    assert proxy.told == [told]


def test_commands_that_take_nothing() -> None:
    proxy = FaultProxy("127.0.0.1", 1)
    assert [obey(proxy, line) for line in ("refuse", "cut", "heal")] == ["ok"] * 3


@pytest.mark.parametrize(
    "line", ["", "explode", "latency", "latency soon", "latency -1", "slow 0", "drop_answers 0", "stall_answers"]
)
def test_what_it_does_not_understand_is_an_error_of_one_line(line: str) -> None:
    answer = obey(FaultProxy("127.0.0.1", 1), line)
    assert answer.startswith("error ")
    assert "\n" not in answer
