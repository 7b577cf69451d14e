-- What plugins keep between their lives, as JSON.
CREATE TABLE plugin_values (
    plugin TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (plugin, name)
) {clustered};
