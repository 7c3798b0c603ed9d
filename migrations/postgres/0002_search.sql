-- What a search by text looks at: the product's and the store's name, a line each, in lower case by Unicode's rules.
-- The program writes it, since what LOWER does depends on the database's locale.
ALTER TABLE promotions ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
UPDATE promotions SET search_text = LOWER(product_name) || chr(10) || LOWER(store_name);
