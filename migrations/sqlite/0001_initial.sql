-- Flash Promos, embedded store. Ids are UUIDs as 16-byte blobs, times are milliseconds since 1970 (UTC), money is
-- integer minor units. STRICT tables: a value of the wrong type is an error, not a surprise.

CREATE TABLE users (
    id               BLOB    PRIMARY KEY NOT NULL,
    email            TEXT    CONSTRAINT users_email_taken UNIQUE, -- lower case; NULL once the person is forgotten
    password_hash    TEXT,
    display_name     TEXT    NOT NULL,
    role             TEXT    NOT NULL,
    language         TEXT    NOT NULL,
    phone            TEXT,
    preferences      TEXT    NOT NULL,
    last_lat         REAL,
    last_lng         REAL,
    created_at       INTEGER NOT NULL,
    forgotten_at     INTEGER
) STRICT;

-- One login on one device. Tokens are kept as SHA-256 digests: the current one, and the one before for the grace.
CREATE TABLE refresh_families (
    id               BLOB    PRIMARY KEY NOT NULL,
    user_id          BLOB    NOT NULL REFERENCES users (id),
    digest           BLOB    NOT NULL,
    previous_digest  BLOB,
    rotated_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    revoked_at       INTEGER
) STRICT;
CREATE INDEX refresh_families_user ON refresh_families (user_id);
CREATE INDEX refresh_families_revoked ON refresh_families (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE stores (
    id               BLOB    PRIMARY KEY NOT NULL,
    owner_id         BLOB    NOT NULL REFERENCES users (id),
    name             TEXT    NOT NULL,
    address          TEXT    NOT NULL,
    lat              REAL    NOT NULL,
    lng              REAL    NOT NULL,
    timezone         TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    deleted_at       INTEGER
) STRICT;
CREATE INDEX stores_owner ON stores (owner_id, id);

CREATE TABLE store_staff (
    store_id         BLOB    NOT NULL REFERENCES stores (id),
    user_id          BLOB    NOT NULL REFERENCES users (id),
    role             TEXT    NOT NULL,
    PRIMARY KEY (store_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX store_staff_user ON store_staff (user_id, store_id);

CREATE TABLE store_follows (
    store_id         BLOB    NOT NULL REFERENCES stores (id),
    user_id          BLOB    NOT NULL REFERENCES users (id),
    created_at       INTEGER NOT NULL,
    PRIMARY KEY (user_id, store_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX store_follows_store ON store_follows (store_id, user_id);

CREATE TABLE products (
    id               BLOB    PRIMARY KEY NOT NULL,
    store_id         BLOB    NOT NULL REFERENCES stores (id),
    name             TEXT    NOT NULL,
    description      TEXT    NOT NULL,
    price_amount     INTEGER NOT NULL,
    currency         TEXT    NOT NULL,
    image_url        TEXT,
    available        INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    deleted_at       INTEGER
) STRICT;
CREATE INDEX products_store ON products (store_id, id);

-- A daily recurring promotion: what each occurrence gets, and when.
CREATE TABLE series (
    id               BLOB    PRIMARY KEY NOT NULL,
    store_id         BLOB    NOT NULL REFERENCES stores (id),
    product_id       BLOB    NOT NULL REFERENCES products (id),
    price_amount     INTEGER NOT NULL,
    currency         TEXT    NOT NULL,
    original_amount  INTEGER NOT NULL,
    stock            INTEGER NOT NULL,
    per_shopper_limit INTEGER,
    reach_m          INTEGER NOT NULL,
    claim_within_m   INTEGER,
    hold_seconds     INTEGER NOT NULL,
    segments         INTEGER NOT NULL,
    category         TEXT,
    daily_window     TEXT    NOT NULL, -- JSON, as in the contract's `daily`
    last_date        TEXT,             -- local date of the last occurrence that was made
    cancelled        INTEGER NOT NULL,
    created_at       INTEGER NOT NULL
) STRICT;

CREATE TABLE promotions (
    id               BLOB    PRIMARY KEY NOT NULL,
    series_id        BLOB    REFERENCES series (id),
    series_date      TEXT,
    -- copied from the store and the product at launch
    store_id         BLOB    NOT NULL REFERENCES stores (id),
    store_name       TEXT    NOT NULL,
    store_lat        REAL    NOT NULL,
    store_lng        REAL    NOT NULL,
    cell_8           INTEGER NOT NULL, -- the store's H3 cells, for searches around a point
    cell_6           INTEGER NOT NULL,
    cell_4           INTEGER NOT NULL,
    product_id       BLOB    NOT NULL REFERENCES products (id),
    product_name     TEXT    NOT NULL,
    product_image_url TEXT,
    -- terms
    price_amount     INTEGER NOT NULL,
    currency         TEXT    NOT NULL,
    original_amount  INTEGER NOT NULL,
    stock            INTEGER NOT NULL,
    per_shopper_limit INTEGER,
    starts_at        INTEGER NOT NULL,
    ends_at          INTEGER NOT NULL,
    reach_m          INTEGER NOT NULL,
    claim_within_m   INTEGER,
    hold_seconds     INTEGER NOT NULL,
    segments         INTEGER NOT NULL,
    category         TEXT,
    -- counters; remaining is stock − held − sold
    status           INTEGER NOT NULL, -- 0 draft, 1 scheduled, 2 live, 3 paused, 4 ended, 5 cancelled
    held             INTEGER NOT NULL,
    sold             INTEGER NOT NULL,
    v                INTEGER NOT NULL,
    decided_at       INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    -- ownership: a commit names both and applies only if they match
    epoch            INTEGER NOT NULL,
    commit_seq       INTEGER NOT NULL,
    CONSTRAINT promotions_counters CHECK (held >= 0 AND sold >= 0 AND held + sold <= stock),
    CONSTRAINT promotions_occurrence UNIQUE (series_id, series_date)
) STRICT;
CREATE INDEX promotions_store ON promotions (store_id, id);
CREATE INDEX promotions_cell_8 ON promotions (cell_8, id);
CREATE INDEX promotions_cell_6 ON promotions (cell_6, id);
CREATE INDEX promotions_cell_4 ON promotions (cell_4, id);
-- Those that need an owner by themselves, or will.
CREATE INDEX promotions_wakeful ON promotions (id) WHERE status IN (1, 2, 3) OR held > 0;

CREATE TABLE claims (
    id               BLOB    PRIMARY KEY NOT NULL,
    promotion_id     BLOB    NOT NULL,
    store_id         BLOB    NOT NULL,
    user_id          BLOB    NOT NULL,
    status           INTEGER NOT NULL, -- 0 held, 1 confirmed, 2 redeemed, 3 expired, 4 cancelled
    quantity         INTEGER NOT NULL,
    unit_amount      INTEGER NOT NULL,
    currency         TEXT    NOT NULL,
    hold_expires_at  INTEGER,
    redemption_code  TEXT    NOT NULL,
    idempotency_key  TEXT    NOT NULL,
    first_v          INTEGER NOT NULL,
    v                INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    confirmed_at     INTEGER,
    closed_at        INTEGER,
    CONSTRAINT claims_quantity CHECK (quantity >= 1)
) STRICT;
CREATE INDEX claims_promotion ON claims (promotion_id, id);
CREATE INDEX claims_user ON claims (user_id, id);
CREATE INDEX claims_code ON claims (store_id, redemption_code);

-- Committed events on their way out. `position` orders them; `done_at` is set when they were handed over.
CREATE TABLE outbox (
    position         INTEGER PRIMARY KEY AUTOINCREMENT,
    id               BLOB    NOT NULL,
    promotion_id     BLOB    NOT NULL,
    v                INTEGER NOT NULL,
    event            TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    done_at          INTEGER
) STRICT;
CREATE INDEX outbox_waiting ON outbox (position) WHERE done_at IS NULL;

-- First answers of requests with an Idempotency-Key that no promotion owns.
CREATE TABLE key_uses (
    user_id          BLOB    NOT NULL,
    route            TEXT    NOT NULL,
    key              TEXT    NOT NULL,
    fingerprint      BLOB    NOT NULL,
    status           INTEGER NOT NULL,
    body             TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    PRIMARY KEY (user_id, route, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_uses_age ON key_uses (created_at);

CREATE TABLE job_runs (
    id               BLOB    PRIMARY KEY NOT NULL,
    name             TEXT    NOT NULL,
    started_at       INTEGER NOT NULL,
    finished_at      INTEGER NOT NULL,
    ok               INTEGER NOT NULL,
    detail           TEXT    NOT NULL
) STRICT;
CREATE INDEX job_runs_name ON job_runs (name, started_at);
