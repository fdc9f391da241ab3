"""All families, to be imported by a module that supplies ``storage_factory``."""

from headrace.testing.conformance.test_apply import TestGuards, TestOneCommit, TestPatches
from headrace.testing.conformance.test_claim import TestClaim, TestControl, TestDue
from headrace.testing.conformance.test_concurrency import TestConcurrency
from headrace.testing.conformance.test_cooling import TestCooling
from headrace.testing.conformance.test_delete import TestDelete
from headrace.testing.conformance.test_handle import TestHandle
from headrace.testing.conformance.test_hints import TestListen, TestNextDue
from headrace.testing.conformance.test_insert import TestInsert
from headrace.testing.conformance.test_keys import TestKeys, TestUntilClaimed, TestUntilFinished, TestUntilWindow
from headrace.testing.conformance.test_lease import TestBeat, TestExpiry
from headrace.testing.conformance.test_leases import TestLeases
from headrace.testing.conformance.test_moving import TestDump, TestLoad, TestMark
from headrace.testing.conformance.test_notes import TestNotes
from headrace.testing.conformance.test_order import TestOrder
from headrace.testing.conformance.test_own_puts import TestOwnPuts, TestOwnPutsOfFollowUps
from headrace.testing.conformance.test_prune import TestPrune
from headrace.testing.conformance.test_put_notices import TestPutNotices
from headrace.testing.conformance.test_read import TestCount, TestFind, TestGet
from headrace.testing.conformance.test_reclaim import TestReclaim
from headrace.testing.conformance.test_record_pages import TestRecordPages
from headrace.testing.conformance.test_records import TestRecords
from headrace.testing.conformance.test_retention import TestQueueRules, TestRetentionByState
from headrace.testing.conformance.test_timeline import TestHistory, TestPruneEntries, TestRecord

__all__ = [
    "TestBeat",
    "TestClaim",
    "TestConcurrency",
    "TestControl",
    "TestCooling",
    "TestCount",
    "TestDelete",
    "TestDue",
    "TestDump",
    "TestExpiry",
    "TestFind",
    "TestGet",
    "TestGuards",
    "TestHandle",
    "TestHistory",
    "TestInsert",
    "TestKeys",
    "TestLeases",
    "TestListen",
    "TestLoad",
    "TestMark",
    "TestNextDue",
    "TestNotes",
    "TestOneCommit",
    "TestOrder",
    "TestOwnPuts",
    "TestOwnPutsOfFollowUps",
    "TestPatches",
    "TestPrune",
    "TestPruneEntries",
    "TestPutNotices",
    "TestQueueRules",
    "TestReclaim",
    "TestRecord",
    "TestRecordPages",
    "TestRecords",
    "TestRetentionByState",
    "TestUntilClaimed",
    "TestUntilFinished",
    "TestUntilWindow",
]
