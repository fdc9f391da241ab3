"""All families, to be imported by a module that supplies ``storage_factory``."""

from headrace.testing.conformance.test_claim import TestClaim, TestControl, TestDue
from headrace.testing.conformance.test_handle import TestHandle
from headrace.testing.conformance.test_insert import TestInsert
from headrace.testing.conformance.test_keys import TestKeys, TestUntilClaimed, TestUntilFinished, TestUntilWindow
from headrace.testing.conformance.test_lease import TestBeat, TestExpiry
from headrace.testing.conformance.test_order import TestOrder
from headrace.testing.conformance.test_reclaim import TestReclaim

__all__ = [
    "TestBeat",
    "TestClaim",
    "TestControl",
    "TestDue",
    "TestExpiry",
    "TestHandle",
    "TestInsert",
    "TestKeys",
    "TestOrder",
    "TestReclaim",
    "TestUntilClaimed",
    "TestUntilFinished",
    "TestUntilWindow",
]
