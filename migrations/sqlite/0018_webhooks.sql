-- Webhooks: where a store wants to hear of its sales, and what is on its way there.
CREATE TABLE webhooks (
    id               BLOB    PRIMARY KEY NOT NULL,
    store_id         BLOB    NOT NULL REFERENCES stores (id),
    url              TEXT    NOT NULL,
    events           TEXT    NOT NULL, -- JSON array of types; empty = all
    secret           TEXT    NOT NULL,
    previous_secret  TEXT,             -- also signs until then
    previous_until   INTEGER NOT NULL,
    created_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_store ON webhooks (store_id, id);

-- A webhook gets an event once, however often the event comes.
CREATE TABLE webhook_messages (
    webhook_id       BLOB    NOT NULL,
    event_id         BLOB    NOT NULL,
    kind             TEXT    NOT NULL,
    body             TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    tries            INTEGER NOT NULL,
    due_at           INTEGER,          -- NULL once it is settled
    delivered_at     INTEGER,
    answer           TEXT    NOT NULL, -- the last answer's status, or why there was none
    PRIMARY KEY (webhook_id, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_messages_due ON webhook_messages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_messages_age ON webhook_messages (created_at);
