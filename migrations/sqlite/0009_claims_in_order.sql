-- Claims are written where the last ones were written: every index that a claim's commit touches grows in order.
-- An index in random order costs a page of log per claim; two of them were two thirds of a commit's work
-- (docs/decisions/0010-storage.md).

-- Codes begin with the moment they were made, like the ids of claims, so they are found through those. The ones made
-- before are kept here.
CREATE TABLE codes_before (
    store_id         BLOB    NOT NULL,
    redemption_code  TEXT    NOT NULL,
    claim_id         BLOB    NOT NULL,
    PRIMARY KEY (store_id, redemption_code)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO codes_before SELECT store_id, redemption_code, id FROM claims;
DROP INDEX claims_code;

-- `position` is the order of insertion. It is a column of its own since an implicit one may change (VACUUM).
CREATE TABLE claims_in_order (
    position         INTEGER PRIMARY KEY,
    id               BLOB    NOT NULL,
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
    CONSTRAINT claims_id UNIQUE (id),
    CONSTRAINT claims_quantity CHECK (quantity >= 1)
) STRICT;
INSERT INTO claims_in_order (id, promotion_id, store_id, user_id, status, quantity, unit_amount, currency,
    hold_expires_at, redemption_code, idempotency_key, first_v, v, created_at, confirmed_at, closed_at)
SELECT id, promotion_id, store_id, user_id, status, quantity, unit_amount, currency,
    hold_expires_at, redemption_code, idempotency_key, first_v, v, created_at, confirmed_at, closed_at
FROM claims ORDER BY id;
DROP TABLE claims;
ALTER TABLE claims_in_order RENAME TO claims;
CREATE INDEX claims_promotion ON claims (promotion_id, id);

-- From shoppers to their claims, written in sorted runs behind the commits. Every claim up to `position` in
-- `claims_by_user_mark` is in it; the newer ones are in the server's memory, which reads them again at its start.
CREATE TABLE claims_by_user (
    user_id          BLOB    NOT NULL,
    position         INTEGER NOT NULL,
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE claims_by_user_mark (
    position         INTEGER NOT NULL
) STRICT;
INSERT INTO claims_by_user_mark SELECT COALESCE(MAX(position), 0) FROM claims;
INSERT INTO claims_by_user SELECT user_id, position FROM claims ORDER BY 1, 2;
