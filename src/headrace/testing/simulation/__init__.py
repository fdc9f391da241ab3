"""Whole clusters in one thread, on one store and in virtual time, from a seed: the same run each time.

Every process is a task, and so is its heart; each call on the store takes its time, may fail before it is done or after
it, and processes are killed and held at any point between. ``python -m headrace.testing.simulation --seed 7`` runs one.
"""
