-- Users are noted under the issue that an error's sum leads to, whatever that counts as, so that issues that part again
-- can be counted. Until now they were noted under the issue that counts: what is kept of their errors says whose they
-- were, and issues that others count as are counted anew.
INSERT INTO issue_users (issue_id, user_key)
SELECT DISTINCT e.issue_id, e.user_key FROM issues i JOIN error_events e ON e.issue_id = i.id
WHERE i.merged_into IS NOT NULL AND e.user_key IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM issue_users u WHERE u.issue_id = e.issue_id AND u.user_key = e.user_key
);
UPDATE issues SET users_seen = (
    SELECT COUNT(DISTINCT u.user_key) FROM issue_users u WHERE u.issue_id = issues.id
    OR u.issue_id IN (SELECT c.id FROM issues c WHERE c.merged_into = issues.id)
) WHERE id IN (SELECT merged_into FROM issues WHERE merged_into IS NOT NULL);
UPDATE incidents SET times_seen = (
    SELECT CAST(COALESCE(SUM(h.times), 0) AS BIGINT) FROM issue_hours h WHERE h.issue_id = incidents.id
    OR h.issue_id IN (SELECT c.id FROM issues c WHERE c.merged_into = incidents.id)
) WHERE id IN (SELECT merged_into FROM issues WHERE merged_into IS NOT NULL);
