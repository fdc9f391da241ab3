DROP INDEX {schema}.timeline_of_queue;
