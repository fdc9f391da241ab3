ALTER TABLE {schema}.jobs ADD COLUMN colour text;
