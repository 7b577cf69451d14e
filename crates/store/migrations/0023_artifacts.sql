-- Pieces of what is uploaded beside errors, by their SHA-1, until they are put together.
CREATE TABLE artifact_pieces (
    checksum TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    body {bytes} NOT NULL
);
CREATE INDEX artifact_pieces_by_time ON artifact_pieces (at);

-- What was uploaded at once: the source maps of a build. `checksum`: of the archive that they came in. `build`: which
-- one of the release. `files`: how many maps; -1: it is being written; -2: it is being forgotten. `used_at`: when an
-- error last needed it, to the day.
CREATE TABLE artifact_bundles (
    id {key} PRIMARY KEY,
    project_id BIGINT NOT NULL,
    checksum TEXT NOT NULL,
    of_release TEXT NOT NULL,
    build TEXT NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX artifact_bundles_by_checksum ON artifact_bundles (project_id, checksum, of_release, build);
CREATE INDEX artifact_bundles_halfway ON artifact_bundles (id) WHERE files < 0;

-- Its files. `debug_id`: the id of the build; empty: it has none. `source_map`: what a built file says of where its map
-- is. `is_map`: its parts are kept.
CREATE TABLE artifact_files (
    id {key} PRIMARY KEY,
    bundle_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL,
    of_release TEXT NOT NULL,
    build TEXT NOT NULL,
    url TEXT NOT NULL,
    debug_id TEXT NOT NULL,
    source_map TEXT NOT NULL,
    is_map BIGINT NOT NULL
);
CREATE INDEX artifact_files_of_bundle ON artifact_files (bundle_id);
CREATE INDEX artifact_files_by_debug_id ON artifact_files (project_id, debug_id) WHERE debug_id <> '';
CREATE INDEX artifact_files_by_url ON artifact_files (project_id, of_release, url);

-- What is in a map, compressed, in parts that are quick to write.
CREATE TABLE artifact_parts (
    file_id BIGINT NOT NULL,
    part BIGINT NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (file_id, part)
) {clustered};
