"""Real processes on a SQLite file, killed at random, and a checker that knows what may not happen."""
