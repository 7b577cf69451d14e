-- What words of an issue are looked for in, in lower case: beside the issues and not in them, since it is far more than
-- all else about them, and most who read issues do not look into it.
CREATE TABLE issue_words (
    issue_id {key} PRIMARY KEY,
    said TEXT NOT NULL
);
INSERT INTO issue_words (issue_id, said) SELECT id, haystack FROM issues;
ALTER TABLE issues DROP COLUMN haystack;
