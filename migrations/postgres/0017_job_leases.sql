-- Who runs a job, since when and until when at most: over all nodes a job runs once per period and never beside itself.
CREATE TABLE job_leases (
    name             TEXT    PRIMARY KEY,
    holder           UUID    NOT NULL,
    started_at       BIGINT  NOT NULL,
    held_until       BIGINT  NOT NULL
);
