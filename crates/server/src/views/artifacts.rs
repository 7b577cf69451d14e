//! Source maps as they are shown.

use model::{Id, Time};
use serde::Serialize;
use store::artifacts::Bundle;
use utoipa::ToSchema;

/// Source maps that were uploaded at once.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Artifacts)]
pub struct ArtifactsView {
    /// Their id.
    #[schema(value_type = String)]
    pub id: Id,
    /// The release that they are of; null: they go by the debug ids of builds.
    pub release: Option<String>,
    /// Which build of the release; null: any.
    pub dist: Option<String>,
    /// How many source maps.
    pub maps: i64,
    /// Their bytes, as they are kept.
    pub bytes: i64,
    /// When they came.
    #[schema(value_type = String, format = DateTime)]
    pub uploaded_at: Time,
    /// When an error last needed one of them, to the day.
    #[schema(value_type = String, format = DateTime)]
    pub used_at: Time,
    /// The SHA-1 of the archive that they came in.
    pub checksum: String,
}

impl ArtifactsView {
    /// As it is shown.
    pub fn new(it: Bundle) -> Self {
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        ArtifactsView {
            id: it.id,
            release: given(it.release),
            dist: given(it.build),
            maps: it.files,
            bytes: it.bytes,
            uploaded_at: it.id.made_at(),
            used_at: it.used_at,
            checksum: it.checksum,
        }
    }
}
