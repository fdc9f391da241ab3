"""Real processes on a SQLite file, for tests that look at one thing at a time. Storms are headrace.testing.chaos."""
