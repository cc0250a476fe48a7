-- Who and where a job comes from.
ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT 'default';
-- The trace context of its client, as in the headers.
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
ALTER TABLE jobs ADD COLUMN tracestate TEXT;
-- The jobs that it belongs to.
ALTER TABLE jobs ADD COLUMN group_id TEXT;
