"""Benches: each file answers one question. ``python -m bench`` runs them all and prints one table."""
