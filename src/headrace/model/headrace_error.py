"""What all errors of headrace have in common."""


class HeadraceError(Exception):
    """The base of all errors of headrace."""
