"""All families, to be imported by a module that supplies ``storage_factory``."""

from headrace.testing.conformance.test_apply import TestGuards, TestOneCommit, TestPatches
from headrace.testing.conformance.test_claim import TestClaim, TestControl, TestDue
from headrace.testing.conformance.test_concurrency import TestConcurrency
from headrace.testing.conformance.test_delete import TestDelete
from headrace.testing.conformance.test_handle import TestHandle
from headrace.testing.conformance.test_hints import TestListen, TestNextDue
from headrace.testing.conformance.test_insert import TestInsert
from headrace.testing.conformance.test_keys import TestKeys, TestUntilClaimed, TestUntilFinished, TestUntilWindow
from headrace.testing.conformance.test_lease import TestBeat, TestExpiry
from headrace.testing.conformance.test_order import TestOrder
from headrace.testing.conformance.test_prune import TestPrune
from headrace.testing.conformance.test_read import TestCount, TestFind, TestGet
from headrace.testing.conformance.test_reclaim import TestReclaim
from headrace.testing.conformance.test_records import TestRecords

__all__ = [
    "TestBeat",
    "TestClaim",
    "TestConcurrency",
    "TestControl",
    "TestCount",
    "TestDelete",
    "TestDue",
    "TestExpiry",
    "TestFind",
    "TestGet",
    "TestGuards",
    "TestHandle",
    "TestInsert",
    "TestKeys",
    "TestListen",
    "TestNextDue",
    "TestOneCommit",
    "TestOrder",
    "TestPatches",
    "TestPrune",
    "TestReclaim",
    "TestRecords",
    "TestUntilClaimed",
    "TestUntilFinished",
    "TestUntilWindow",
]
