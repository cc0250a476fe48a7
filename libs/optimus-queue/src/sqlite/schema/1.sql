-- "Opti": tells this database from any other.
PRAGMA application_id = 0x4f707469;

-- A job stays here from its submission until it expires. `list` and `rank` say where an unfinished one is: waiting in
-- the list of its priority (rank: its turn), delayed (rank: end of the backoff), or running (rank: end of the lease).
-- The checks make a job in no list, or in a wrong one, impossible.
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  language TEXT NOT NULL,
  priority TEXT NOT NULL CHECK (priority IN ('interactive', 'normal', 'batch')),
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
  list TEXT,
  rank INTEGER,
  -- Length of the submission.
  bytes INTEGER NOT NULL,
  tests INTEGER NOT NULL,
  metadata TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  token INTEGER NOT NULL DEFAULT 0,
  cancel INTEGER NOT NULL DEFAULT 0 CHECK (cancel IN (0, 1)),
  worker TEXT,
  error TEXT,
  -- Milliseconds since 1970.
  created INTEGER NOT NULL,
  started INTEGER,
  finished INTEGER,
  expires INTEGER,
  CHECK ((list IS NULL) = (rank IS NULL)),
  CHECK (CASE status
    WHEN 'queued' THEN list IS NOT NULL AND list IN (priority, 'delayed')
    WHEN 'running' THEN list IS NOT NULL AND list = 'running'
    ELSE list IS NULL END),
  CHECK ((expires IS NULL) = (list IS NOT NULL))
) STRICT;

CREATE INDEX jobs_by_list ON jobs (language, list, rank, bytes) WHERE list IS NOT NULL;
CREATE INDEX jobs_by_expiry ON jobs (expires) WHERE expires IS NOT NULL;

-- Apart from the jobs, because a change of a row writes the whole row again. A submission goes when its job ends.
CREATE TABLE submissions (
  job INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  json BLOB NOT NULL
) STRICT;

CREATE TABLE results (
  job INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  json BLOB NOT NULL
) STRICT;

-- Keys and bodies as SHA-256.
CREATE TABLE idempotency (
  key BLOB PRIMARY KEY,
  body BLOB NOT NULL,
  job TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_expiry ON idempotency (expires);

-- Jobs that ran out of attempts, for inspection: the latest so many of each language.
CREATE TABLE dead (
  seq INTEGER PRIMARY KEY,
  language TEXT NOT NULL,
  job TEXT NOT NULL
) STRICT;

CREATE INDEX dead_by_language ON dead (language);

-- How long each list is, so that nobody has to count. Kept by the triggers below alone.
CREATE TABLE lists (
  name TEXT NOT NULL,
  language TEXT NOT NULL,
  jobs INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (name, language)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER job_listed AFTER INSERT ON jobs WHEN NEW.list IS NOT NULL BEGIN
  INSERT INTO lists VALUES (NEW.list, NEW.language, 1, NEW.bytes)
    ON CONFLICT DO UPDATE SET jobs = jobs + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER job_moved AFTER UPDATE OF list ON jobs WHEN OLD.list IS NOT NEW.list BEGIN
  UPDATE lists SET jobs = jobs - 1, bytes = bytes - OLD.bytes WHERE name = OLD.list AND language = OLD.language;
  INSERT INTO lists SELECT NEW.list, NEW.language, 1, NEW.bytes WHERE NEW.list IS NOT NULL
    ON CONFLICT DO UPDATE SET jobs = jobs + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER job_unlisted AFTER DELETE ON jobs WHEN OLD.list IS NOT NULL BEGIN
  UPDATE lists SET jobs = jobs - 1, bytes = bytes - OLD.bytes WHERE name = OLD.list AND language = OLD.language;
END;

CREATE TRIGGER death_listed AFTER INSERT ON dead BEGIN
  INSERT INTO lists VALUES ('dead', NEW.language, 1, 0) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER death_unlisted AFTER DELETE ON dead BEGIN
  UPDATE lists SET jobs = jobs - 1 WHERE name = 'dead' AND language = OLD.language;
END;

-- Counters that only grow: submitted and requeued by language, finished by language and verdict.
CREATE TABLE totals (
  name TEXT NOT NULL,
  language TEXT NOT NULL,
  verdict TEXT NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (name, language, verdict)
) STRICT, WITHOUT ROWID;
