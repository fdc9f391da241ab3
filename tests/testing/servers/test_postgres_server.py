"""A Postgres server of one's own: it answers, keeps what it has to keep, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.testing.servers import owned
from headrace.testing.servers.daemon import ServerFailed, ordinary_user
from headrace.testing.servers.databases import Postgres
from headrace.testing.servers.postgres import Mode, PostgresServer

SOON = 20.0


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def table(server: Postgres) -> str:
    """The URL's name of a new database with one row in it."""
    name = server.create_database().rpartition("/")[2]
    server.run_sql("CREATE TABLE kept (line text); INSERT INTO kept VALUES ('here')", name)
    return name


def test_it_answers(own_postgres: PostgresServer) -> None:
    assert own_postgres.run_sql("SELECT 1, 'ä'; SELECT 2") == "1|ä\n2"
    assert own_postgres.run_sql("SHOW server_encoding; SHOW fsync; SHOW synchronous_commit") == "UTF8\noff\non"
    assert own_postgres.url() == f"postgresql://postgres@127.0.0.1:{own_postgres.port}/postgres"


def test_what_it_refuses_is_told(own_postgres: PostgresServer) -> None:
    with pytest.raises(ServerFailed, match=r'psql failed: .*relation "nowhere" does not exist'):
        own_postgres.run_sql("SELECT * FROM nowhere")


def test_our_environment_leads_it_nowhere_else(own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    assert own_postgres.run_sql("SHOW search_path") == '"$user", public'


def test_databases_are_made_and_dropped_whoever_uses_them(own_postgres: PostgresServer) -> None:
    made = own_postgres.create_database('odd "name"/')
    assert made.endswith("/odd%20%22name%22%2F")
    assert own_postgres.run_sql("SELECT current_database()", 'odd "name"/') == 'odd "name"/'
    own_postgres.drop_database(made)
    with pytest.raises(ServerFailed, match="does not exist"):
        own_postgres.run_sql("SELECT 1", 'odd "name"/')
    own_postgres.drop_database(made)


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate"])
def test_a_restart_keeps_the_data_and_the_port(own_postgres: PostgresServer, mode: Mode) -> None:
    name, port, pid = table(own_postgres), own_postgres.port, own_postgres.pid
    own_postgres.restart(mode)
    assert own_postgres.run_sql("SELECT * FROM kept", name) == "here"
    assert own_postgres.port == port
    assert own_postgres.pid != pid
    assert ("not properly shut down" in own_postgres.log) == (mode == "immediate")


def test_a_stopped_one_is_not_there_until_it_is_resumed(own_postgres: PostgresServer) -> None:
    own_postgres.stop("immediate")
    assert own_postgres.pid is None
    assert not answers(own_postgres.port)
    own_postgres.stop()
    own_postgres.resume()
    assert own_postgres.run_sql("SELECT 1") == "1"
    with pytest.raises(ServerFailed, match="runs already"):
        own_postgres.resume()


def test_it_is_killed_by_its_pid_and_resumed(own_postgres: PostgresServer) -> None:
    name = table(own_postgres)
    assert own_postgres.pid is not None
    os.kill(own_postgres.pid, signal.SIGKILL)
    assert eventually(lambda: own_postgres.pid is None)
    own_postgres.resume()
    assert own_postgres.run_sql("SELECT * FROM kept", name) == "here"


def test_killed_backends_are_those_of_clients(own_postgres: PostgresServer) -> None:
    name = own_postgres.create_database().rpartition("/")[2]
    psql = ["psql", "--no-psqlrc", own_postgres.url(name), "-c", "SELECT pg_sleep(60)"]
    with subprocess.Popen(psql, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as sleeper:
        asleep = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE '%sleep%'"
        assert eventually(lambda: own_postgres.run_sql(asleep) == "1")
        assert own_postgres.kill_backends("another") == 0
        assert own_postgres.kill_backends(name) == 1
        assert b"terminating connection" in sleeper.communicate(timeout=SOON)[1]
    assert own_postgres.kill_backends() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="we are an ordinary user ourselves")
def test_for_root_an_ordinary_user_runs_it(own_postgres: PostgresServer) -> None:
    user = ordinary_user()
    assert user is not None
    assert Path(f"/proc/{own_postgres.pid}").stat().st_uid == user.pw_uid != 0
    assert "Groups:\t \n" in Path(f"/proc/{own_postgres.pid}/status").read_text()


def test_closed_it_leaves_nothing_and_a_port_that_is_taken_is_not_insisted_on(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ports = owned.free_port, [own_postgres.port]
    monkeypatch.setattr(owned, "free_port", lambda: ports.pop() if ports else real())
    with PostgresServer.start(durable=True, settings={"work_mem": "1MB"}) as server:
        assert server.run_sql("SHOW fsync; SHOW work_mem") == "on\n1MB"
        assert server.port != own_postgres.port
        folder, pid = server.folder, server.pid
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()
    assert not answers(server.port)
    server.close()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(ServerFailed, match="is not empty"):
        PostgresServer.start(tmp_path)
    assert (tmp_path / "precious").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user enters what is his")
def test_a_folder_that_its_user_cant_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(ServerFailed, match=f"can't enter {tmp_path}"):
        PostgresServer.start(tmp_path / "within")


OWNER = """
import threading
from headrace.testing.servers.postgres import PostgresServer

server = PostgresServer.start()
passing = threading.Thread(target=server.restart, args=["immediate"])
passing.start()
passing.join()
print(server.run_sql("SELECT 'alive'"), server.port, server.folder, flush=True)
input()
"""


def test_it_outlives_the_thread_that_started_it_and_dies_with_a_process_that_is_killed(
    own_postgres: PostgresServer,
) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        alive, port, folder = owner.stdout.readline().decode().split()
        assert alive == "alive"
        assert answers(int(port))
        assert Path(folder).is_dir()
        owner.kill()
    assert eventually(lambda: not answers(int(port)))
    assert eventually(lambda: not Path(folder).exists())
