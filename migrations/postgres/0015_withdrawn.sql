-- Drafts that were called off: they never were anybody's but the store's people's, and stay so. Which of those that were
-- cancelled before this column existed had been drafts is not known; they stay visible.
ALTER TABLE promotions ADD COLUMN withdrawn BOOLEAN NOT NULL DEFAULT FALSE;
