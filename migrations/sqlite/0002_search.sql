-- What a search by text looks at: the product's and the store's name, a line each, in lower case by Unicode's rules.
-- The program writes it, since SQLite's LOWER knows ASCII only.
ALTER TABLE promotions ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
UPDATE promotions SET search_text = LOWER(product_name) || char(10) || LOWER(store_name);
