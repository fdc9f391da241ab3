"""The schema, as numbered files: ``pre`` ones may run while older versions work, ``post`` ones once none does."""
