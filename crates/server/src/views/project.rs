//! Projects as they are shown: with the address that programs report to, and what to write into them.

use model::project::{Keep, Project, ProjectKey, Rate, Scrub};
use model::{Id, Time};
use serde::Serialize;
use utoipa::ToSchema;

/// A project.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub struct ProjectView {
    /// Its number, as text.
    pub id: String,
    /// What it is called.
    pub slug: String,
    /// What it is written in or runs on.
    pub platform: String,
    /// The team whose it is.
    #[schema(value_type = Option<String>)]
    pub team: Option<Id>,
    /// Where programs report to, by the first key that is good; null: there is none.
    pub dsn: Option<String>,
    /// That key.
    pub public_key: Option<String>,
    /// Pages of which browsers may report; none: any.
    pub allowed_origins: Vec<String>,
    /// What is taken out of events before anything is kept.
    #[schema(value_type = Object)]
    pub scrub: Scrub,
    /// How much is kept.
    #[schema(value_type = Object)]
    pub keep: Keep,
    /// Which errors get which fingerprint, a rule a line.
    pub grouping: String,
    /// An issue of which nothing was heard for so many days is over; 0: none is by itself.
    pub resolve_after_days: u32,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// What its programs are known by.
    pub keys: Vec<ProjectKeyView>,
    /// What to write into a program.
    pub snippet: String,
}

/// A key of a project.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ProjectKey)]
pub struct ProjectKeyView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// What it is for; may be empty.
    pub label: String,
    /// What clients send.
    pub public_key: String,
    /// Where programs report to.
    pub dsn: String,
    /// What is taken in at the most; null: everything.
    #[schema(value_type = Option<Object>)]
    pub rate: Option<Rate>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Time>,
}

impl ProjectView {
    /// A project of the hub that is reached here.
    pub fn new((project, keys): (Project, Vec<ProjectKey>), base_url: &str) -> Self {
        let good = keys.iter().find(|it| it.revoked_at.is_none());
        let address = good.map(|it| dsn(base_url, &it.public, project.id));
        ProjectView {
            id: project.id.to_string(),
            slug: project.slug,
            snippet: snippet(&project.platform, address.as_deref().unwrap_or("…")),
            platform: project.platform,
            team: project.team,
            dsn: address,
            public_key: good.map(|it| it.public.clone()),
            allowed_origins: project.settings.allowed_origins,
            scrub: project.settings.scrub,
            keep: project.settings.keep,
            grouping: project.settings.grouping,
            resolve_after_days: project.settings.resolve_after_days,
            created_at: project.created_at,
            keys: keys.into_iter().map(|it| ProjectKeyView::new(it, base_url)).collect(),
        }
    }
}

impl ProjectKeyView {
    /// A key of a project of the hub that is reached here.
    pub fn new(it: ProjectKey, base_url: &str) -> Self {
        ProjectKeyView {
            id: it.id,
            dsn: dsn(base_url, &it.public, it.project),
            label: it.label,
            public_key: it.public,
            rate: it.rate,
            created_at: it.created_at,
            revoked_at: it.revoked_at,
        }
    }
}

/// Where a project is reported to: `https://KEY@HOST[/PREFIX]/NUMBER`.
pub fn dsn(base_url: &str, public: &str, project: i64) -> String {
    let base = base_url.trim_end_matches('/');
    let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
    format!("{scheme}://{public}@{rest}/{project}")
}

/// What to write into a program of a platform, so that it reports here.
pub fn snippet(platform: &str, dsn: &str) -> String {
    let word = platform.split(['-', '.', '_']).next().unwrap_or_default().to_ascii_lowercase();
    match word.as_str() {
        "python" => format!("pip install sentry-sdk\n\nimport sentry_sdk\nsentry_sdk.init(dsn=\"{dsn}\")"),
        "node" => format!(
            "npm install @sentry/node\n\nconst Sentry = require(\"@sentry/node\");\nSentry.init({{ dsn: \"{dsn}\" }});"
        ),
        "javascript" | "browser" | "react" | "vue" | "angular" | "svelte" => format!(
            "npm install @sentry/browser\n\nimport * as Sentry from \"@sentry/browser\";\n\
             Sentry.init({{ dsn: \"{dsn}\" }});"
        ),
        "rust" => format!(
            "cargo add sentry\n\nlet _guard = sentry::init((\"{dsn}\", sentry::ClientOptions::default()));"
        ),
        "go" => format!(
            "go get github.com/getsentry/sentry-go\n\nsentry.Init(sentry.ClientOptions{{Dsn: \"{dsn}\"}})\n\
             defer sentry.Flush(2 * time.Second)"
        ),
        "ruby" | "rails" => {
            format!("gem install sentry-ruby\n\nSentry.init {{ |config| config.dsn = \"{dsn}\" }}")
        }
        "php" | "laravel" => {
            format!("composer require sentry/sentry\n\n\\Sentry\\init(['dsn' => '{dsn}']);")
        }
        "java" | "kotlin" | "android" => {
            format!("// io.sentry:sentry\n\nSentry.init(options -> options.setDsn(\"{dsn}\"));")
        }
        "csharp" | "dotnet" => {
            format!("dotnet add package Sentry\n\nSentrySdk.Init(options => options.Dsn = \"{dsn}\");")
        }
        _ => format!("SENTRY_DSN={dsn}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_keeps_the_path_that_the_hub_lives_under() {
        assert_eq!(dsn("https://bell.example/night/", "ab", 7), "https://ab@bell.example/night/7");
        assert_eq!(dsn("http://127.0.0.1:8440", "ab", 7), "http://ab@127.0.0.1:8440/7");
    }

    #[test]
    fn snippets_go_by_the_first_word_of_a_platform() {
        assert!(snippet("python-django", "D").contains("sentry_sdk.init(dsn=\"D\")"));
        assert_eq!(snippet("cobol", "D"), "SENTRY_DSN=D");
    }
}
