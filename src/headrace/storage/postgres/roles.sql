-- Roles with no more rights than each needs, for a store that headrace migrate has made. Run this with psql, as the
-- owner of the store or a superuser, and again after each headrace migrate: it may be repeated, beside running workers.
--
--   psql "$URL" -f roles.sql
--   psql "$URL" -v schema=jobs -v worker=shop_worker -f roles.sql
--
-- The variables, and what the roles are for:
--
--   schema    headrace            the schema of the store, as in ?schema= of its URL
--   admin     headrace_admin      owns what is in it: headrace migrate, headrace move
--   worker    headrace_worker     runs jobs, and steers them; no change of the schema
--   producer  headrace_producer   enqueues, keeps records, reads jobs and results; can't change a job that is there
--   reader    headrace_reader     looks
--
-- Nobody logs in as one of these. Grant them to users who do: GRANT headrace_worker TO somebody.

\set ON_ERROR_STOP on
\if :{?schema}
\else
\set schema headrace
\endif
\if :{?admin}
\else
\set admin headrace_admin
\endif
\if :{?worker}
\else
\set worker headrace_worker
\endif
\if :{?producer}
\else
\set producer headrace_producer
\endif
\if :{?reader}
\else
\set reader headrace_reader
\endif

BEGIN;

SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM (VALUES (:'admin'), (:'worker'), (:'producer'), (:'reader')) AS roles (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- Who is no superuser gives away only what they could take back.
SELECT format('GRANT %I TO CURRENT_USER', :'admin') WHERE NOT pg_has_role(:'admin', 'MEMBER')
\gexec

GRANT USAGE ON SCHEMA :"schema" TO :"admin", :"worker", :"producer", :"reader";
GRANT CREATE ON SCHEMA :"schema" TO :"admin";

SELECT format('ALTER TABLE %s OWNER TO %I', oid::regclass, :'admin') FROM pg_class
WHERE relnamespace = :'schema'::regnamespace AND relkind IN ('r', 'p') AND relowner <> :'admin'::regrole
\gexec
SELECT format('ALTER FUNCTION %s OWNER TO %I', oid::regprocedure, :'admin') FROM pg_proc
WHERE pronamespace = :'schema'::regnamespace AND proowner <> :'admin'::regrole
\gexec

-- What an older version of this file gave is taken back first.
REVOKE ALL ON ALL TABLES IN SCHEMA :"schema" FROM :"worker", :"producer", :"reader";
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA :"schema" TO :"worker", :"producer", :"reader";

GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"reader";

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"schema" TO :"worker";
REVOKE INSERT, UPDATE, DELETE ON :"schema".migrations FROM :"worker";

GRANT SELECT ON :"schema".jobs, :"schema".keys, :"schema".records, :"schema".migrations TO :"producer";
GRANT INSERT ON :"schema".jobs, :"schema".keys, :"schema".records TO :"producer";
GRANT UPDATE (job_id, ends_at) ON :"schema".keys TO :"producer";
GRANT UPDATE (value, version, lapses_at), DELETE ON :"schema".records TO :"producer";

COMMIT;
