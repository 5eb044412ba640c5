-- The tenth version: when a message is tried again that waits for that, so that what Plivo asked for outlives a restart.
ALTER TABLE messages ADD COLUMN next_try INTEGER /* when it is tried again, while it waits for that */;
ALTER TABLE departed ADD COLUMN next_try INTEGER;
