-- Results are read in parts: `results` has the first one, which is the whole of most.
CREATE TABLE result_parts (
  job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
  -- Counts from 1.
  part INTEGER NOT NULL,
  json BLOB NOT NULL,
  UNIQUE (job, part)
) STRICT;

-- Length of the stored result; NULL where there is none, or none any more.
ALTER TABLE jobs ADD COLUMN result_bytes INTEGER;
-- The totals of a result that was stored.
ALTER TABLE jobs ADD COLUMN gist TEXT;
-- The token under which it was finished.
ALTER TABLE jobs ADD COLUMN ended_by INTEGER;

UPDATE jobs SET result_bytes = (SELECT length(json) FROM results WHERE job = seq) WHERE list IS NULL;

-- Which result goes first when there is no room for all.
CREATE INDEX jobs_by_result ON jobs (expires, result_bytes) WHERE result_bytes IS NOT NULL;

-- How many bytes all results have together, as a list of no language.
INSERT INTO lists SELECT 'results', '', COUNT(*), SUM(result_bytes) FROM jobs WHERE result_bytes IS NOT NULL
  HAVING COUNT(*) > 0;

CREATE TRIGGER result_changed AFTER UPDATE OF result_bytes ON jobs WHEN OLD.result_bytes IS NOT NEW.result_bytes BEGIN
  INSERT INTO lists VALUES ('results', '', (NEW.result_bytes IS NOT NULL) - (OLD.result_bytes IS NOT NULL),
      COALESCE(NEW.result_bytes, 0) - COALESCE(OLD.result_bytes, 0))
    ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER result_removed AFTER DELETE ON jobs WHEN OLD.result_bytes IS NOT NULL BEGIN
  UPDATE lists SET jobs = jobs - 1, bytes = bytes - OLD.result_bytes WHERE name = 'results' AND language = '';
END;
