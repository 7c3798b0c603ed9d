-- Flash Promos on PostgreSQL 15+. Times are milliseconds since 1970 (UTC), money is integer minor units. The twin of
-- migrations/sqlite/0001_initial.sql: the same tables, names and constraints.

CREATE TABLE users (
    id               UUID    PRIMARY KEY,
    email            TEXT    CONSTRAINT users_email_taken UNIQUE, -- lower case; NULL once the person is forgotten
    password_hash    TEXT,
    display_name     TEXT    NOT NULL,
    role             TEXT    NOT NULL,
    language         TEXT    NOT NULL,
    phone            TEXT,
    preferences      TEXT    NOT NULL,
    last_lat         DOUBLE PRECISION,
    last_lng         DOUBLE PRECISION,
    created_at       BIGINT NOT NULL,
    forgotten_at     BIGINT
);

-- One login on one device. Tokens are kept as SHA-256 digests: the current one, and the one before for the grace.
CREATE TABLE refresh_families (
    id               UUID    PRIMARY KEY,
    user_id          UUID    NOT NULL REFERENCES users (id),
    digest           BYTEA   NOT NULL,
    previous_digest  BYTEA,
    rotated_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    revoked_at       BIGINT
);
CREATE INDEX refresh_families_user ON refresh_families (user_id);
CREATE INDEX refresh_families_revoked ON refresh_families (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE stores (
    id               UUID    PRIMARY KEY,
    owner_id         UUID    NOT NULL REFERENCES users (id),
    name             TEXT    NOT NULL,
    address          TEXT    NOT NULL,
    lat              DOUBLE PRECISION    NOT NULL,
    lng              DOUBLE PRECISION    NOT NULL,
    timezone         TEXT    NOT NULL,
    created_at       BIGINT NOT NULL,
    deleted_at       BIGINT
);
CREATE INDEX stores_owner ON stores (owner_id, id);

CREATE TABLE store_staff (
    store_id         UUID    NOT NULL REFERENCES stores (id),
    user_id          UUID    NOT NULL REFERENCES users (id),
    role             TEXT    NOT NULL,
    PRIMARY KEY (store_id, user_id)
);
CREATE INDEX store_staff_user ON store_staff (user_id, store_id);

CREATE TABLE store_follows (
    store_id         UUID    NOT NULL REFERENCES stores (id),
    user_id          UUID    NOT NULL REFERENCES users (id),
    created_at       BIGINT NOT NULL,
    PRIMARY KEY (user_id, store_id)
);
CREATE INDEX store_follows_store ON store_follows (store_id, user_id);

CREATE TABLE products (
    id               UUID    PRIMARY KEY,
    store_id         UUID    NOT NULL REFERENCES stores (id),
    name             TEXT    NOT NULL,
    description      TEXT    NOT NULL,
    price_amount     BIGINT NOT NULL,
    currency         TEXT    NOT NULL,
    image_url        TEXT,
    available        BOOLEAN NOT NULL,
    created_at       BIGINT NOT NULL,
    deleted_at       BIGINT
);
CREATE INDEX products_store ON products (store_id, id);

-- A daily recurring promotion: what each occurrence gets, and when.
CREATE TABLE series (
    id               UUID    PRIMARY KEY,
    store_id         UUID    NOT NULL REFERENCES stores (id),
    product_id       UUID    NOT NULL REFERENCES products (id),
    price_amount     BIGINT NOT NULL,
    currency         TEXT    NOT NULL,
    original_amount  BIGINT NOT NULL,
    stock            BIGINT NOT NULL,
    per_shopper_limit BIGINT,
    reach_m          BIGINT NOT NULL,
    claim_within_m   BIGINT,
    hold_seconds     BIGINT NOT NULL,
    segments         BIGINT NOT NULL,
    category         TEXT,
    daily_window     TEXT    NOT NULL, -- JSON, as in the contract's `daily`
    last_date        TEXT,             -- local date of the last occurrence that was made
    cancelled        BOOLEAN NOT NULL,
    created_at       BIGINT NOT NULL
);

CREATE TABLE promotions (
    id               UUID    PRIMARY KEY,
    series_id        UUID     REFERENCES series (id),
    series_date      TEXT,
    -- copied from the store and the product at launch
    store_id         UUID    NOT NULL REFERENCES stores (id),
    store_name       TEXT    NOT NULL,
    store_lat        DOUBLE PRECISION    NOT NULL,
    store_lng        DOUBLE PRECISION    NOT NULL,
    cell_8           BIGINT NOT NULL, -- the store's H3 cells, for searches around a point
    cell_6           BIGINT NOT NULL,
    cell_4           BIGINT NOT NULL,
    product_id       UUID    NOT NULL REFERENCES products (id),
    product_name     TEXT    NOT NULL,
    product_image_url TEXT,
    -- terms
    price_amount     BIGINT NOT NULL,
    currency         TEXT    NOT NULL,
    original_amount  BIGINT NOT NULL,
    stock            BIGINT NOT NULL,
    per_shopper_limit BIGINT,
    starts_at        BIGINT NOT NULL,
    ends_at          BIGINT NOT NULL,
    reach_m          BIGINT NOT NULL,
    claim_within_m   BIGINT,
    hold_seconds     BIGINT NOT NULL,
    segments         BIGINT NOT NULL,
    category         TEXT,
    -- counters; remaining is stock − held − sold
    status           BIGINT NOT NULL, -- 0 draft, 1 scheduled, 2 live, 3 paused, 4 ended, 5 cancelled
    held             BIGINT NOT NULL,
    sold             BIGINT NOT NULL,
    v                BIGINT NOT NULL,
    decided_at       BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    -- ownership: a commit names both and applies only if they match
    epoch            BIGINT NOT NULL,
    commit_seq       BIGINT NOT NULL,
    CONSTRAINT promotions_counters CHECK (held >= 0 AND sold >= 0 AND held + sold <= stock),
    CONSTRAINT promotions_occurrence UNIQUE (series_id, series_date)
);
CREATE INDEX promotions_store ON promotions (store_id, id);
CREATE INDEX promotions_cell_8 ON promotions (cell_8, id);
CREATE INDEX promotions_cell_6 ON promotions (cell_6, id);
CREATE INDEX promotions_cell_4 ON promotions (cell_4, id);
-- Those that need an owner by themselves, or will.
CREATE INDEX promotions_wakeful ON promotions (id) WHERE status IN (1, 2, 3) OR held > 0;

CREATE TABLE claims (
    id               UUID    PRIMARY KEY,
    promotion_id     UUID    NOT NULL,
    store_id         UUID    NOT NULL,
    user_id          UUID    NOT NULL,
    status           BIGINT NOT NULL, -- 0 held, 1 confirmed, 2 redeemed, 3 expired, 4 cancelled
    quantity         BIGINT NOT NULL,
    unit_amount      BIGINT NOT NULL,
    currency         TEXT    NOT NULL,
    hold_expires_at  BIGINT,
    redemption_code  TEXT    NOT NULL,
    idempotency_key  TEXT    NOT NULL,
    first_v          BIGINT NOT NULL,
    v                BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    confirmed_at     BIGINT,
    closed_at        BIGINT,
    CONSTRAINT claims_quantity CHECK (quantity >= 1)
);
CREATE INDEX claims_promotion ON claims (promotion_id, id);
CREATE INDEX claims_user ON claims (user_id, id);
CREATE INDEX claims_code ON claims (store_id, redemption_code);

-- Committed events on their way out. `position` orders them; `done_at` is set when they were handed over.
CREATE TABLE outbox (
    position         BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id               UUID    NOT NULL,
    promotion_id     UUID    NOT NULL,
    v                BIGINT NOT NULL,
    event            TEXT    NOT NULL,
    created_at       BIGINT NOT NULL,
    done_at          BIGINT
);
CREATE INDEX outbox_waiting ON outbox (position) WHERE done_at IS NULL;

-- First answers of requests with an Idempotency-Key that no promotion owns.
CREATE TABLE key_uses (
    user_id          UUID    NOT NULL,
    route            TEXT    NOT NULL,
    key              TEXT    NOT NULL,
    fingerprint      BYTEA   NOT NULL,
    status           BIGINT NOT NULL,
    body             TEXT    NOT NULL,
    created_at       BIGINT NOT NULL,
    PRIMARY KEY (user_id, route, key)
);
CREATE INDEX key_uses_age ON key_uses (created_at);

CREATE TABLE job_runs (
    id               UUID    PRIMARY KEY,
    name             TEXT    NOT NULL,
    started_at       BIGINT NOT NULL,
    finished_at      BIGINT NOT NULL,
    ok               BOOLEAN NOT NULL,
    detail           TEXT    NOT NULL
);
CREATE INDEX job_runs_name ON job_runs (name, started_at);
