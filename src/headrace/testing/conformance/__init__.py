"""The conformance suite: every sentence of the storage contract as a test that any backend can run.

Give pytest a fixture ``storage_factory`` that returns a ``StorageFactory``, in a conftest or a plugin, and run
``pytest --pyargs headrace.testing.conformance``. Nothing in it sleeps: time is a ``ManualClock`` that the tests move.
"""
