"""Commands on a store in Postgres."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from shell import Shell

from headrace.model.errors import InvalidURL
from headrace.storage.opening import open_url, redact
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.schema import MIGRATIONS, Step
from headrace.system.clock import ManualClock
from headrace.testing.servers.databases import Postgres
from postgres_roles import roles

SECRET = "geheim"
NEXT = {
    **MIGRATIONS,
    Step(2, False): "ALTER TABLE {schema}.jobs ADD COLUMN colour text",
    Step(2, True): "DROP INDEX {schema}.timeline_of_queue",
}


@pytest.fixture
def url(fresh_postgres: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new database, which every command is about."""
    monkeypatch.setenv("HEADRACE_URL", fresh_postgres)
    return fresh_postgres


@pytest.fixture
def database(url: str) -> str:
    return urlsplit(url).path[1:]


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is one that brings migrations along."""
    monkeypatch.setitem(PostgresStorage.__init__.__kwdefaults__ or {}, "migrations", NEXT)


@pytest.fixture
def stranger(url: str, database: str, postgres_server: Postgres) -> Iterator[str]:
    """The URL of a user without any rights, and with a password."""
    name = f"stranger_{database}"
    postgres_server.run_sql(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    yield postgres_server.url(database, user=name, password=SECRET)
    postgres_server.run_sql(f"DROP ROLE {name}")


def has_store(server: Postgres, database: str, schema: str = "headrace") -> bool:
    return server.run_sql(f"SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'", database) == "1"


def steps(server: Postgres, database: str) -> list[str]:
    rows = server.run_sql("SELECT number, post FROM headrace.migrations ORDER BY number, post", database)
    return rows.splitlines()


# --- doctor ----------------------------------------------------------------------------------------------------------


def test_doctor_makes_no_store(shell: Shell, url: str, database: str, postgres_server: Postgres) -> None:
    report = shell("doctor", "--json").json
    assert "schema headrace is not there yet: the first enqueue or worker makes it" in report["warnings"]
    assert report["error"] is None
    assert not has_store(postgres_server, database)


def test_doctor_tells_of_server_store_and_promise(shell: Shell, url: str) -> None:
    assert shell("enqueue", "email").code == 0
    report = shell("doctor", "--json").json
    assert re.match(r"\d+", report["postgres"])
    assert (report["schema"], report["synchronous_commit"], report["jobs"]) == (max(MIGRATIONS).number, "on", 1)
    assert "a crash of the server" in report["promise"]
    assert not [text for text in report["warnings"] if "clock" in text or "synchronous_commit" in text]
    assert "no such" not in shell("doctor").out


def test_doctor_warns_of_what_is_not_durable(shell: Shell, url: str, database: str, postgres_server: Postgres) -> None:
    postgres_server.run_sql(f"ALTER DATABASE {database} SET synchronous_commit = off")
    warnings = shell("doctor", "--json").json["warnings"]
    assert len([text for text in warnings if "synchronous_commit is off" in text]) == 1
    on_tests_own_server = postgres_server.run_sql("SHOW fsync") == "off"
    assert bool([text for text in warnings if "fsync is off" in text]) == on_tests_own_server


def test_doctor_compares_clocks(shell: Shell, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shell("migrate").code == 0
    now = PostgresStorage.now

    async def ahead(storage: PostgresStorage) -> int:
        return await now(storage) + 60_000

    monkeypatch.setattr(PostgresStorage, "now", ahead)
    assert any(
        "machine's clock and the store's differ by 60 s" in text for text in shell("doctor", "--json").json["warnings"]
    )


# --- what is refused, and how it ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["stats"], ["jobs"], ["queues"], ["workers"], ["dead"], ["prune"]])
def test_a_mistyped_schema_does_not_look_like_an_empty_store(
    shell: Shell, url: str, database: str, postgres_server: Postgres, command: list[str]
) -> None:
    ran = shell(*command, "--storage", f"{url}?schema=mistyped")
    assert ran.code == 4
    assert "it has no schema mistyped; headrace migrate makes it" in ran.err
    assert not has_store(postgres_server, database, "mistyped")


def test_a_server_that_is_away_ends_with_4(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_PATIENCE", "0.2")  # how long a server may take to come back
    for command in ("stats", "doctor", "migrate"):
        ran = shell(command, "--storage", f"postgresql://user:{SECRET}@127.0.0.1:1/jobs")
        assert ran.code == 4, ran.err
        assert "postgresql://user:***@127.0.0.1:1/jobs can't be reached" in ran.err
        assert SECRET not in ran.out + ran.err


def test_what_belongs_to_another_program_is_refused(
    shell: Shell, url: str, database: str, postgres_server: Postgres
) -> None:
    postgres_server.run_sql(
        "CREATE SCHEMA laravel; CREATE TABLE laravel.jobs (id bigint); "
        "CREATE TABLE laravel.migrations (id bigint, migration text)",
        database,
    )
    for command in ("stats", "doctor", "migrate"):
        ran = shell(command, "--storage", f"{url}?schema=laravel")
        assert ran.code == 4
        assert "belongs to another program: its schema 'laravel' holds tables such as jobs" in ran.err
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'laravel'"
    assert postgres_server.run_sql(tables, database) == "2"


def test_who_has_no_rights_is_told_so(shell: Shell, stranger: str) -> None:
    ran = shell("migrate", "--storage", stranger)
    assert ran.code == 4
    assert "permission denied for database" in ran.err
    assert shell("migrate").code == 0
    for command in ("stats", "doctor", "migrate"):
        ran = shell(command, "--storage", stranger)
        assert ran.code == 4
        assert "permission denied for schema headrace" in ran.err
        assert "grant the user of the URL what its role needs" in ran.err
        assert SECRET not in ran.out + ran.err


@pytest.mark.usefixtures("next_version")
def test_an_older_store_ends_with_3_until_it_is_migrated(
    shell: Shell, url: str, database: str, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setitem(PostgresStorage.__init__.__kwdefaults__ or {}, "migrations", MIGRATIONS)
        assert shell("migrate").code == 0
    for command in (["stats"], ["doctor"], ["enqueue", "email"]):
        ran = shell(*command)
        assert ran.code == 3, ran.err
        assert "has schema 1, this version needs 2; run: headrace migrate" in ran.err
    assert shell("migrate").out.endswith("has schema 2\n")
    assert shell("stats").code == 0
    assert steps(postgres_server, database) == ["1|f", "2|f"]
    assert shell("migrate", "--post", "--json").json["schema"] == 2
    assert steps(postgres_server, database) == ["1|f", "2|f", "2|t"]


def test_a_newer_store_ends_with_3_and_nothing_is_written(
    shell: Shell, url: str, database: str, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_AUTO_MIGRATE", "true")
    with monkeypatch.context() as later:
        later.setitem(PostgresStorage.__init__.__kwdefaults__ or {}, "migrations", NEXT)
        assert shell("migrate").code == 0
    assert shell("stats").code == shell("migrate").code == shell("enqueue", "email").code == 0
    with monkeypatch.context() as later:
        later.setitem(PostgresStorage.__init__.__kwdefaults__ or {}, "migrations", NEXT)
        assert shell("migrate", "--post").code == 0
    written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    before = postgres_server.run_sql(written, database)
    for command in (["stats"], ["doctor"], ["enqueue", "email"], ["migrate"], ["migrate", "--post"]):
        ran = shell(*command)
        assert ran.code == 3, ran.err
        assert "has schema 2, this version knows up to 1; upgrade headrace" in ran.err
    assert postgres_server.run_sql(written, database) == before
    assert steps(postgres_server, database) == ["1|f", "2|f", "2|t"]


# --- who only reads --------------------------------------------------------------------------------------------------


def test_a_reader_may_use_all_commands_that_look(shell: Shell, url: str, postgres_server: Postgres) -> None:
    job_id = shell("enqueue", "email", "--json").json["id"]
    with roles(postgres_server, url) as urls:
        looks = ["stats", "jobs", "queues", "workers", "schedules", "dead", "doctor", f"show {job_id}", f"why {job_id}"]
        for look in looks:
            ran = shell(*look.split(), "--storage", urls["reader"])
            assert ran.code == 0, f"{look}: {ran.err}"
        for change in (f"cancel {job_id}", "enqueue email", "prune --yes", "queues pause default"):
            ran = shell(*change.split(), "--storage", urls["reader"])
            assert ran.code == 4, f"{change}: {ran.out}{ran.err}"
            assert "permission denied for table" in ran.err
        assert shell("show", job_id, "--json").json["state"] == "pending"


# --- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://u:p@h:1/d?schema=x", "postgresql://u:***@h:1/d?schema=x"),
        ("postgresql://u:p@h1:1,h2:2/d", "postgresql://u:***@h1:1,h2:2/d"),
        ("postgresql://h:5432/d?application_name=a@b", "postgresql://h:5432/d?application_name=a@b"),
        (
            "postgresql://h/d?password=p&schema=x&sslpassword=q",
            "postgresql://h/d?password=***&schema=x&sslpassword=***",
        ),
        ("postgresql://u:p@p@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p/p@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p?p@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p#p@h/d", "postgresql://u:***@h/d"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize("secret", ["ge/heim", "ge?heim", "ge#heim"])
def test_a_password_that_spoils_its_url_is_not_shown_either(secret: str) -> None:
    with pytest.raises(InvalidURL, match="in a password, / is written as %2F") as refused:
        open_url(f"postgresql://user:{secret}@host/jobs", clock=ManualClock())
    assert "heim" not in str(refused.value)


def test_a_password_among_the_options_is_not_shown(shell: Shell, stranger: str) -> None:
    parts = urlsplit(stranger)
    bare = parts._replace(netloc=parts.netloc.replace(f":{SECRET}", ""), query=f"password={SECRET}")
    ran = shell("doctor", "--storage", urlunsplit(bare))
    assert "password=***" in ran.out
    assert SECRET not in ran.out + ran.err
