-- The sixth version: the name of the account at Plivo that a message was accepted under. There was one before.
ALTER TABLE messages ADD COLUMN account TEXT NOT NULL DEFAULT 'default' /* the name of the account at Plivo */;
ALTER TABLE departed ADD COLUMN account TEXT NOT NULL DEFAULT 'default';
DROP INDEX messages_to_look_at;
CREATE INDEX messages_to_look_at ON messages (account, next_look) WHERE next_look IS NOT NULL;
