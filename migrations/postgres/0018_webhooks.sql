-- Webhooks: where a store wants to hear of its sales, and what is on its way there.
CREATE TABLE webhooks (
    id               UUID    PRIMARY KEY,
    store_id         UUID    NOT NULL REFERENCES stores (id),
    url              TEXT    NOT NULL,
    events           TEXT    NOT NULL, -- JSON array of types; empty = all
    secret           TEXT    NOT NULL,
    previous_secret  TEXT,             -- also signs until then
    previous_until   BIGINT  NOT NULL,
    created_at       BIGINT  NOT NULL
);
CREATE INDEX webhooks_store ON webhooks (store_id, id);

-- A webhook gets an event once, however often the event comes.
CREATE TABLE webhook_messages (
    webhook_id       UUID    NOT NULL,
    event_id         UUID    NOT NULL,
    kind             TEXT    NOT NULL,
    body             TEXT    NOT NULL,
    created_at       BIGINT  NOT NULL,
    tries            BIGINT  NOT NULL,
    due_at           BIGINT ,          -- NULL once it is settled
    delivered_at     BIGINT ,
    answer           TEXT    NOT NULL, -- the last answer's status, or why there was none
    PRIMARY KEY (webhook_id, event_id)
);
CREATE INDEX webhook_messages_due ON webhook_messages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_messages_age ON webhook_messages (created_at);
