"""Chaos on a store that only one process may write to: all that a fleet does is done in one, killed and started again.

- ``process``: that process.
- ``storm``: what befalls it, and who takes the store over from it.
- ``run``: a run of this kind.
- ``succession``: what a process may not do once another has taken over.
- ``backends``: the stores.
"""
