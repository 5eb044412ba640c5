-- The third version: what Plivo's clock showed when a call began, or a little less. All other times are this machine's.
ALTER TABLE attempts ADD COLUMN plivo_time INTEGER /* when it began by Plivo's clock, or a little before */;
