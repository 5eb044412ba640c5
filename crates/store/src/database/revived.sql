-- The eleventh version: when an event that was given up was revived, from which on it is told as long as a new one.
ALTER TABLE events ADD COLUMN revived INTEGER;
