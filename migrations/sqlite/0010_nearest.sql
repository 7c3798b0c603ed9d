-- Searches around a point look at what has not ended: the cell finds the place, the end leaves history out. An edit changes
-- ends_at, a claim does not.
DROP INDEX promotions_cell_8;
DROP INDEX promotions_cell_6;
DROP INDEX promotions_cell_4;
CREATE INDEX promotions_cell_8 ON promotions (cell_8, ends_at);
CREATE INDEX promotions_cell_6 ON promotions (cell_6, ends_at);
CREATE INDEX promotions_cell_4 ON promotions (cell_4, ends_at);
