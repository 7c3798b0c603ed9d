-- Codes begin with the moment they were made, like the ids of claims, so they are found through those. The ones made
-- before are kept here.
CREATE TABLE codes_before (
    store_id         UUID    NOT NULL,
    redemption_code  TEXT    NOT NULL,
    claim_id         UUID    NOT NULL,
    PRIMARY KEY (store_id, redemption_code)
);
INSERT INTO codes_before SELECT store_id, redemption_code, id FROM claims ON CONFLICT DO NOTHING;
DROP INDEX claims_code;
