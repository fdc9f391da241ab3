"""The schema, as numbered files."""
