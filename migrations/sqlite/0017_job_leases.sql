-- Who runs a job, since when and until when at most: over all nodes a job runs once per period and never beside itself.
CREATE TABLE job_leases (
    name             TEXT    PRIMARY KEY NOT NULL,
    holder           BLOB    NOT NULL,
    started_at       INTEGER NOT NULL,
    held_until       INTEGER NOT NULL
) STRICT;
