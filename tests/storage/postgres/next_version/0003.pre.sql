-- statement by statement
DROP INDEX CONCURRENTLY IF EXISTS {schema}.jobs_colour;

CREATE INDEX CONCURRENTLY jobs_colour ON {schema}.jobs (colour, payload);
