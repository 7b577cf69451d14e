//! The words that stand for states and the like, as the API's description lists them.

use utoipa::ToSchema;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $word:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$meaning])* $word),+ }
    };
}

words! {
    /// Where a silence stands.
    SilenceState {
        /// It will be in force later.
        Pending,
        /// It is in force.
        Active,
        /// It is over.
        Expired,
    }
}
