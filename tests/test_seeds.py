"""The page about four other systems is complete and true: their names, the names here, and the tests."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_overloads

import pytest
import typer

import headrace
from headrace import Call, CancelOutcome, Current, Headrace, Job, Receipt, RetryPolicy, Schedule, State, Task
from headrace.interface.cli.main import add_demo, application
from headrace.interface.config import Options
from headrace.model import errors
from headrace.model.presence import introduce
from headrace.runtime.worker import Worker

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/explanation/seeds.md"

TAKO = """
Queue Queue::new Queue::builder Queue::register Queue::push Queue::push_delayed Queue::push_dedup Queue::start
Queue::shutdown Queue::dead_letters Queue::clear_dead_letters Queue::pending_count Queue::inflight_count
QueueBuilder QueueBuilder::workers QueueBuilder::retry QueueBuilder::build
RetryPolicy RetryPolicy::None RetryPolicy::Fixed RetryPolicy::Exponential RetryPolicy::fixed RetryPolicy::exponential
RetryPolicy::default max_retries delay base_delay delay_for_attempt
Job Job::name Job::attempt Job::id Job::deserialize Job::raw_payload
DeadJob DeadJob::id DeadJob::name DeadJob::payload DeadJob::attempts DeadJob::error DeadJob::failed_at
QueueError QueueError::UnknownJob QueueError::SerializeError QueueError::HandlerError QueueError::Shutdown
Queue::default tako::queue::cron::CronScheduler queue-cron tako::queue::signal_ids
queue.job.queued queue.job.started queue.job.completed queue.job.failed queue.job.retrying queue.job.dead_letter
QueueBackend MemoryBackend tako-stores-redis tako-stores-postgres compio examples/job-queue
Router::with_state router.route State Json Method Responder tako::serve StatusCode::ACCEPTED
"""

TAQUBA = """
Queue Queue::open Queue::enqueue Queue::enqueue_with Queue::enqueue_with_kv Queue::claim Queue::ack Queue::close
Queue::kv_get Queue::kv_delete kv_writes Queue::cancel Queue::wait_for_completion run_at usr:
PermanentFailure Worker WorkerError run_worker run_worker_concurrent object_store InMemory aws gcp azure worker
worker::Worker worker::WorkerError worker::PermanentFailure worker::run_worker worker::run_worker_concurrent
EnqueueOptions JobRecord OpenOptions OpenOptions::reaper_interval OpenOptions::scheduler_interval QueueConfig QueueStats
CancelOutcome EnqueueResult Error JobStatus WaitOutcome
MAX_KV_VALUE_SIZE PRIORITY_HIGH PRIORITY_LOW PRIORITY_NORMAL Result
"""

RUSTQUEUE = """
RustQueue::redb RustQueue::hybrid RustQueue::memory with_write_coalescing BufferedRedbConfig BufferedRedbConfig::default
snapshot_interval build push pull ack fail run_worker run_worker_with_shutdown stall_timeout tick_interval
start_housekeeping max_attempts backoff backoff_delay_ms Fixed Linear Exponential get_dlq_jobs last_error id data
unique_key timeout_ms Delayed Waiting Active tokio::task::spawn_blocking crash_recovery
"""

FORGE_EXPORTS = """
parse_cron AcquireOutcome CLEANUP_TICK CMD_EXEC_KIND CRON_TICK CleanupReport CmdExecHandler CmdExecPayload
CronTickReport DEFAULT_QUEUE_WORKERS DEFAULT_RATE_LIMIT_SCOPES DEFAULT_SHUTDOWN_TIMEOUT DefaultRouter HandlerRegistry
JobCtx JobHandler JobOutcome KindPrefixRouter METRICS_BUCKET_SECS METRICS_TICK NOOP_ECHO_KIND NoopEcho QUEUES_ENV
QueueHandle QueueRuntime REAPER_TICK REBALANCE_TICK RateLimiter Router WORKER_ID_ENV WORKER_PREFIX_ENV
WORKER_VERSION_ENV WorkerPoolConfig WorkerPoolHandler cleanup_once cron_tick_once ensure_default_rate_limits
ensure_schedules metrics_roll_once queues_from_env reap_stale_jobs rebalance_once worker_id_from_env
worker_prefix_from_env worker_version_from_env CronScheduleRecord CronStorage DeleteOutcome DrainedSamples
EnqueueOutcome EnqueueRequest FinalizeOutcome HeartbeatStatus JobId JobLatency JobQueue JobRecord JobStatus MetricBucket
NewCronSchedule NewJob PROCESS_WIDE_QUEUE PodRecord ProcessRecord ProcessRegistry QueueConfig QueueConfigRow QueueCounts
RateLimitOutcome RateLimitStorage SlotAssignment SqliteStorage Storage StorageError StorageInfo TimelineEvent
TimelineEventType metric
"""

FORGE_REST = """
cron_expr format_error_chain QueueRuntime::new QueueRuntime::with_queues QueueRuntime::ensure_queue
QueueRuntime::enqueue QueueRuntime::start EnqueueRequest::new EnqueueRequest::on_queue HandlerRegistry::register
QueueHandle::request_cancel QueueHandle::shutdown_graceful ctx.cancel.is_cancelled() HEARTBEAT_INTERVAL
cancel_requested_at DatabaseConfig DatabaseConfig::load open_storage QueuePaths QueuePaths::config_dir
QueuePaths::data_dir PathsError postgres legacy-scheduler Scheduler JobStore Clock examples/minimal.rs
JobOutcome::Failed JobOutcome::Throttled
"""

TEXTS = {"tako": TAKO, "Taquba": TAQUBA, "RustQueue": RUSTQUEUE, "forge-jobs": FORGE_EXPORTS + FORGE_REST}
NAMES = {system: text.split() for system, text in TEXTS.items()}
"""Every name in the public texts of each system, as it is spelled there."""

_CODE = re.compile(r"`([^`]+)`")
_WITHOUT = ("not yet", "non-goal")

OBJECTS: Mapping[str, Any] = {
    "app": Headrace,
    "task": Task,
    "worker": Worker,
    "RetryPolicy": RetryPolicy,
    "State": State,
    "CancelOutcome": CancelOutcome,
    "Job": Job,
    "Receipt": Receipt,
    "Schedule": Schedule,
    "Call": Call,
}
"""What the words before a dot stand for in the second column."""


class Row(NamedTuple):
    """One row of a table."""

    system: str
    name: str
    here: str
    test: str

    def __str__(self) -> str:
        return f"{self.system}: {self.name}"


def rows() -> list[Row]:
    found: list[Row] = []
    system = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            system = line[3:]
        elif line.startswith("| ") and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 3, line
            if cells[1:] != ["here", "test"]:
                found.append(Row(system, *cells))
    return found


ROWS = rows()


@cache
def defined_in(file: str) -> frozenset[str]:
    """The tests that a file defines, by their names, those inside classes included, and classes of tests."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    bound = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    machines = {target.id for target in bound if isinstance(target, ast.Name) and target.id.startswith("Test")}
    return frozenset({function.name for function in functions if function.name.startswith("test_")} | machines)


@pytest.mark.parametrize("system", NAMES)
def test_no_name_is_left_out(system: str) -> None:
    told = {code for row in ROWS if row.system == system for code in _CODE.findall(row.name)}
    assert [name for name in NAMES[system] if name not in told] == []


def test_the_lists_are_those_of_the_texts() -> None:
    assert len(set(FORGE_EXPORTS.split())) == 78
    assert set(NAMES) == {row.system for row in ROWS}
    assert "seed" not in PAGE.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_names_tests_that_exist_or_a_reason(row: Row) -> None:
    if row.test in _WITHOUT:
        assert len(row.here) > 40, "why is it not here?"
        return
    named = _CODE.findall(row.test)
    assert 1 <= len(named) <= 3
    assert ", ".join(f"`{one}`" for one in named) == row.test
    for one in named:
        file, _, name = one.partition("::")
        assert (ROOT / file).is_file(), one
        assert name in defined_in(file), one


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_names_what_exists_here(row: Row) -> None:
    for code in _CODE.findall(row.here):
        check_code(code)


def check_code(code: str) -> None:
    """A name, a call, a command, a variable, a URL or a file, as it stands in the second column."""
    if code.startswith("headrace "):
        assert code.split()[1] in commands(), code
    elif code.startswith("HEADRACE_"):
        assert code in variables(), code
    elif code.startswith(("examples/", "make ")):
        there = (ROOT / code).is_file() or f"\n{code.removeprefix('make ')}:" in (ROOT / "Makefile").read_text()
        assert there, code
    elif re.search(r"[A-Z(]|\w\.\w", code) and "://" not in code.partition("(")[0]:
        check_expression(code)


def check_expression(code: str) -> None:
    """Python whose names and keyword arguments all exist."""
    text = code.removeprefix("@").removeprefix("await ").removeprefix("async with ")
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = resolve(node.func)
            assert callable(function), code
            known = keywords(function)
            assert {keyword.arg for keyword in node.keywords} <= known, f"{code}: it takes {', '.join(sorted(known))}"
        elif isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and is_public(node.id)):
            resolve(node)


def is_public(name: str) -> bool:
    return name[0].isupper() or name in headrace.__all__


def resolve(node: ast.expr) -> Any:
    """What a name or a chain of attributes stands for."""
    match node:
        case ast.Name(id=name):
            return OBJECTS[name] if name in OBJECTS else named(name)
        case ast.Attribute(value=ast.Call(func=ast.Name(id="current")), attr=name):
            return member(Current, name)
        case ast.Attribute(value=value, attr=name):
            return member(resolve(value), name)
    raise AssertionError(f"{ast.unparse(node)} is not understood here")


def named(name: str) -> Any:
    if name in headrace.__all__:
        return getattr(headrace, name)
    if name == "Storage":  # the protocol, for authors of backends
        return headrace.storage.contract.Storage
    return getattr(errors, name)


def member(owner: Any, name: str) -> Any:
    assert name in dir(owner) or name in getattr(owner, "__annotations__", {}), f"{owner.__name__}.{name}"
    return getattr(owner, name)


def keywords(function: Callable[..., Any]) -> set[str]:
    """The names of everything that a function takes, those of its overloads and of its options included."""
    found: set[str] = set()
    for one in (function, *get_overloads(function)):
        for name, parameter in inspect.signature(one).parameters.items():
            if parameter.kind is not parameter.VAR_KEYWORD:
                found.add(name)
            elif options := options_in(parameter.annotation, one):
                found |= set(options.__annotations__)
    return found


def options_in(annotation: Any, function: Callable[..., Any]) -> Any:
    """The TypedDict of ``Unpack[Options]``, which some modules keep as text; None where it is something else."""
    if isinstance(annotation, str):
        match = re.fullmatch(r"Unpack\[(\w+)\]", annotation)
        return match and function.__globals__[match[1]]
    return next(iter(getattr(annotation, "__args__", ())), None)


@cache
def commands() -> frozenset[str]:
    group: Any = typer.main.get_command(application)
    if "demo" not in group.commands:
        add_demo()
        group = typer.main.get_command(application)
    return frozenset(group.commands)


@cache
def variables() -> frozenset[str]:
    """Every variable that is read."""
    written = {match for file in (ROOT / "src").rglob("*.py") for match in spelled(file)}
    options = {f"HEADRACE_{option.upper()}" for option in Options.__annotations__ if option != "retry"}
    parts = {f"HEADRACE_WORKER_{part}" for part in ("PREFIX", "VERSION", "ID", "NAME")}
    read = {name for name in parts if introduce("box", 1, {name: "x"}) != introduce("box", 1, {})}
    return frozenset(written | options | read)


def spelled(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("HEADRACE_"):
            yield node.value


@pytest.mark.parametrize(
    "wrong",
    ["app.no_such_thing()", "app.enqueue('t', {}, soon=1)", "RetryPolicy.sometimes()", "NoSuchName", "Job.colour"],
)
def test_a_name_that_does_not_exist_is_seen(wrong: str) -> None:
    with pytest.raises((AssertionError, AttributeError)):
        check_code(wrong)


@pytest.mark.parametrize("wrong", ["headrace fly", "HEADRACE_SPEED", "HEADRACE_WORKER_NAME", "examples/none.py"])
def test_a_command_a_variable_and_a_file_that_do_not_exist_are_seen(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check_code(wrong)
