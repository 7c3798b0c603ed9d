-- The outbox keeps only what waits: an event that was handed over is deleted, found by its id.
DROP INDEX outbox_waiting;
DELETE FROM outbox WHERE done_at IS NOT NULL;
ALTER TABLE outbox DROP COLUMN done_at;
CREATE INDEX outbox_id ON outbox (id);
