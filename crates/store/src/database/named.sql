-- The second version: a database has a name of its own, so that no cursor of /v1/events is taken for another's.
CREATE TABLE identity (name TEXT NOT NULL);
INSERT INTO identity VALUES (lower(hex(randomblob(16))));
