-- The tenth version: when a message is tried again that waits for that, so that what Plivo asked for outlives a restart.
ALTER TABLE messages ADD COLUMN next_try INTEGER;
ALTER TABLE departed ADD COLUMN next_try INTEGER;
