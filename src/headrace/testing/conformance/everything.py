"""All families, to be imported by a module that supplies ``storage_factory``."""

from headrace.testing.conformance.test_handle import TestHandle
from headrace.testing.conformance.test_insert import TestInsert
from headrace.testing.conformance.test_keys import TestKeys, TestUntilClaimed, TestUntilFinished, TestUntilWindow

__all__ = [
    "TestHandle",
    "TestInsert",
    "TestKeys",
    "TestUntilClaimed",
    "TestUntilFinished",
    "TestUntilWindow",
]
