-- The sixth version: the name of the account at Plivo that a message was accepted under. There was one before.
ALTER TABLE messages ADD COLUMN account TEXT NOT NULL DEFAULT 'default';
ALTER TABLE departed ADD COLUMN account TEXT NOT NULL DEFAULT 'default';
