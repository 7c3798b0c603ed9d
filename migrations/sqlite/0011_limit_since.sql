-- The version up to which a promotion had another limit per shopper than now: claims that were made before or in it may go
-- beyond today's limit, later ones may not (audit). What happened before this column existed is not known.
ALTER TABLE promotions ADD COLUMN limit_v INTEGER NOT NULL DEFAULT 0;
UPDATE promotions SET limit_v = v;
