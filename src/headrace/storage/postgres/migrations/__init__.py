"""The schema, as numbered files, which are never changed once they were released.

``0002.pre.sql`` may run while older versions work on the store, and adds what a newer one needs: a table, a column that
may be NULL or has a constant default, an index. ``0002.post.sql`` runs when somebody says that no older version works
there any more, and takes away what only they needed. A ``pre`` file takes no ``post`` file for granted: that may run
much later. ``{schema}`` stands for the schema.

A file runs in one transaction, whose locks stop everybody else: it waits a second for them, and then lets the others go
on before it tries again. It must not rewrite or read a whole table.

A file whose first line is ``-- statement by statement`` runs outside a transaction, for what the server does only
there. A blank line ends a statement. Who is killed in between begins the file anew, so each statement must be fit to be
repeated. An index that was not finished is there all the same, INVALID, kept up to date and of no use. So an index is
made by two statements::

    DROP INDEX CONCURRENTLY IF EXISTS {schema}.jobs_colour;

    CREATE INDEX CONCURRENTLY jobs_colour ON {schema}.jobs (colour);

``CREATE INDEX CONCURRENTLY IF NOT EXISTS`` would take an INVALID one for granted: it is refused when the file is read.
"""
