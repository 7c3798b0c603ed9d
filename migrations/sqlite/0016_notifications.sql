-- Notifications: what is told (notices), to whom it was (inbox), how (deliveries), and by which devices (devices, pushes).

-- H3 cells of the place that a person saved, so that a notice finds who is in reach. The program writes them; where they
-- are missing beside a place (people from before this migration) the cleanup job computes them.
ALTER TABLE users ADD COLUMN cell_8 INTEGER;
ALTER TABLE users ADD COLUMN cell_6 INTEGER;
ALTER TABLE users ADD COLUMN cell_4 INTEGER;
CREATE INDEX users_cell_8 ON users (cell_8, id) WHERE cell_8 IS NOT NULL;
CREATE INDEX users_cell_6 ON users (cell_6, id) WHERE cell_6 IS NOT NULL;
CREATE INDEX users_cell_4 ON users (cell_4, id) WHERE cell_4 IS NOT NULL;
CREATE INDEX users_without_cells ON users (id) WHERE last_lat IS NOT NULL AND cell_8 IS NULL;

-- One thing to tell; its id is the event's, so an event that comes twice is one notice. `stage` and `after` say how far
-- its audience was told: stage 0 are the store's followers, stage n the n-th cell of its reach, `after` the last person.
CREATE TABLE notices (
    id               BLOB    PRIMARY KEY NOT NULL,
    promotion_id     BLOB    NOT NULL,
    store_id         BLOB    NOT NULL,
    kind             TEXT    NOT NULL,
    content          TEXT    NOT NULL, -- JSON: the sale as it was
    created_at       INTEGER NOT NULL,
    stage            INTEGER NOT NULL,
    after            BLOB    NOT NULL,
    told             INTEGER NOT NULL, -- people it reached the inbox of
    tries            INTEGER NOT NULL,
    lease_until      INTEGER NOT NULL, -- who works on it has it until then
    finished_at      INTEGER
) STRICT;
CREATE INDEX notices_unfinished ON notices (id) WHERE finished_at IS NULL;
CREATE INDEX notices_promotion ON notices (promotion_id, id);
CREATE INDEX notices_store ON notices (store_id, created_at);
CREATE INDEX notices_age ON notices (created_at);

-- A person is told of an event once: the primary key says so.
CREATE TABLE inbox (
    user_id          BLOB    NOT NULL,
    notice_id        BLOB    NOT NULL,
    created_at       INTEGER NOT NULL,
    read_at          INTEGER,
    counted          INTEGER NOT NULL, -- whether it counts against the person's daily number
    PRIMARY KEY (user_id, notice_id)
) STRICT, WITHOUT ROWID;

-- The delivery log: what became of each notice for each person and channel.
CREATE TABLE deliveries (
    notice_id        BLOB    NOT NULL,
    user_id          BLOB    NOT NULL,
    channel          INTEGER NOT NULL, -- 0 inbox, 1 push
    status           INTEGER NOT NULL, -- 0 queued, 1 stored, 2 sent, 3 delivered, 4 failed, 5 muted, 6 quiet, 7 capped
    at               INTEGER NOT NULL,
    PRIMARY KEY (notice_id, user_id, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    id               BLOB    PRIMARY KEY NOT NULL,
    user_id          BLOB    NOT NULL,
    platform         TEXT    NOT NULL, -- fcm, apns or apns_sandbox
    token            TEXT    NOT NULL CONSTRAINT devices_token UNIQUE,
    endpoint_arn     TEXT,             -- SNS platform endpoint, made at the first push
    created_at       INTEGER NOT NULL,
    disabled_at      INTEGER           -- the platform does not know the token any more
) STRICT;
CREATE INDEX devices_user ON devices (user_id, id);

-- Pushes on their way: one row per notice and device until it was sent or given up.
CREATE TABLE pushes (
    notice_id        BLOB    NOT NULL,
    device_id        BLOB    NOT NULL,
    user_id          BLOB    NOT NULL,
    tries            INTEGER NOT NULL,
    due_at           INTEGER NOT NULL,
    PRIMARY KEY (notice_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX pushes_due ON pushes (due_at);
