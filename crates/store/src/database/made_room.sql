-- The twelfth version: when the newest of the messages that made room was changed last, which what is in doubt must know.
-- Of those before it nobody knows more than that it was no later than the latest change.
CREATE TABLE made_room (newest INTEGER NOT NULL);
INSERT INTO made_room SELECT coalesce(max(updated), 0) FROM messages;
