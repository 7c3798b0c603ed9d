-- Notifications: what is told (notices), to whom it was (inbox), how (deliveries), and by which devices (devices, pushes).
-- The twin of migrations/sqlite/0004_notifications.sql.

-- H3 cells of the place that a person saved, so that a notice finds who is in reach. The program writes them; where they
-- are missing beside a place (people from before this migration) the cleanup job computes them.
ALTER TABLE users ADD COLUMN cell_8 BIGINT;
ALTER TABLE users ADD COLUMN cell_6 BIGINT;
ALTER TABLE users ADD COLUMN cell_4 BIGINT;
CREATE INDEX users_cell_8 ON users (cell_8, id) WHERE cell_8 IS NOT NULL;
CREATE INDEX users_cell_6 ON users (cell_6, id) WHERE cell_6 IS NOT NULL;
CREATE INDEX users_cell_4 ON users (cell_4, id) WHERE cell_4 IS NOT NULL;
CREATE INDEX users_without_cells ON users (id) WHERE last_lat IS NOT NULL AND cell_8 IS NULL;

-- One thing to tell; its id is the event's, so an event that comes twice is one notice. `stage` and `after` say how far
-- its audience was told: stage 0 are the store's followers, stage n the n-th cell of its reach, `after` the last person.
CREATE TABLE notices (
    id               UUID    PRIMARY KEY,
    promotion_id     UUID    NOT NULL,
    store_id         UUID    NOT NULL,
    kind             TEXT    NOT NULL,
    content          TEXT    NOT NULL, -- JSON: the sale as it was
    created_at       BIGINT  NOT NULL,
    stage            BIGINT  NOT NULL,
    after            UUID    NOT NULL,
    told             BIGINT  NOT NULL, -- people it reached the inbox of
    tries            BIGINT  NOT NULL,
    lease_until      BIGINT  NOT NULL, -- who works on it has it until then
    finished_at      BIGINT 
);
CREATE INDEX notices_unfinished ON notices (id) WHERE finished_at IS NULL;
CREATE INDEX notices_promotion ON notices (promotion_id, id);
CREATE INDEX notices_store ON notices (store_id, created_at);
CREATE INDEX notices_age ON notices (created_at);

-- A person is told of an event once: the primary key says so.
CREATE TABLE inbox (
    user_id          UUID    NOT NULL,
    notice_id        UUID    NOT NULL,
    created_at       BIGINT  NOT NULL,
    read_at          BIGINT ,
    counted          BOOLEAN NOT NULL, -- whether it counts against the person's daily number
    PRIMARY KEY (user_id, notice_id)
);

-- The delivery log: what became of each notice for each person and channel.
CREATE TABLE deliveries (
    notice_id        UUID    NOT NULL,
    user_id          UUID    NOT NULL,
    channel          BIGINT  NOT NULL, -- 0 inbox, 1 push
    status           BIGINT  NOT NULL, -- 0 queued, 1 stored, 2 sent, 3 delivered, 4 failed, 5 muted, 6 quiet, 7 capped
    at               BIGINT  NOT NULL,
    PRIMARY KEY (notice_id, user_id, channel)
);

CREATE TABLE devices (
    id               UUID    PRIMARY KEY,
    user_id          UUID    NOT NULL,
    platform         TEXT    NOT NULL, -- fcm, apns or apns_sandbox
    token            TEXT    NOT NULL CONSTRAINT devices_token UNIQUE,
    endpoint_arn     TEXT,             -- SNS platform endpoint, made at the first push
    created_at       BIGINT  NOT NULL,
    disabled_at      BIGINT            -- the platform does not know the token any more
);
CREATE INDEX devices_user ON devices (user_id, id);

-- Pushes on their way: one row per notice and device until it was sent or given up.
CREATE TABLE pushes (
    notice_id        UUID    NOT NULL,
    device_id        UUID    NOT NULL,
    user_id          UUID    NOT NULL,
    tries            BIGINT  NOT NULL,
    due_at           BIGINT  NOT NULL,
    PRIMARY KEY (notice_id, device_id)
);
CREATE INDEX pushes_due ON pushes (due_at);
