//! `nightbell kinds`.

use anyhow::{Result, bail};
use sdk::destination::Facts;
use serde_json::{Value, json};

use crate::output::{Output, Table};

/// List the kinds of destinations and sources, or what one of them needs to know
#[derive(clap::Args)]
pub struct Args {
    /// Only this kind, with all its settings
    kind: Option<String>,
}

impl Args {
    pub fn run(self, output: Output) -> Result<()> {
        let registry = connectors::registry();
        let destinations = registry.destinations().map(|(facts, schema)| ("destination", facts, schema));
        let sources = registry.sources().map(|(facts, schema)| ("source", facts, schema));
        let mut kinds: Vec<_> = destinations.chain(sources).collect();
        if let Some(kind) = &self.kind {
            let known: Vec<&str> = kinds.iter().map(|(_, facts, _)| facts.kind).collect();
            if !known.contains(&kind.as_str()) {
                bail!("there is no kind {kind:?}; known are {}", known.join(", "));
            }
            kinds.retain(|(_, facts, _)| facts.kind == kind);
        }
        let list: Vec<Value> =
            kinds.iter().map(|(what, facts, schema)| as_json(what, facts, schema)).collect();
        output.answer(&json!({ "items": list, "next": null }), || match self.kind {
            Some(_) => kinds
                .iter()
                .map(|(what, facts, schema)| page(what, facts, schema))
                .collect::<Vec<_>>()
                .join("\n"),
            None => {
                let mut table = Table::new(["kind", "what", "about", "documentation"], "there are none");
                for (what, facts, _) in &kinds {
                    let about = facts.about.split_inclusive(". ").next().unwrap_or_default().trim();
                    table.row([facts.kind.to_owned(), (*what).to_owned(), about.to_owned(), page_of(facts)]);
                }
                table.text()
            }
        })
    }
}

/// Where more about a kind is to be read: at whoever runs what it talks to, or in our own reference.
fn page_of(facts: &Facts) -> String {
    let page = if facts.docs.is_empty() { "docs/reference/destinations.md" } else { facts.docs };
    page.to_owned()
}

fn as_json(what: &str, facts: &Facts, schema: &Value) -> Value {
    json!({
        "kind": facts.kind,
        "what": what,
        "title": facts.title,
        "about": facts.about,
        "docs": facts.docs,
        "deduplicates": facts.deduplicates,
        "settings": schema,
    })
}

fn page(what: &str, facts: &Facts, schema: &Value) -> String {
    let mut table = Table::new(["setting", "needed", "meaning"], "There is nothing to set.");
    let needed =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let meaning = property["description"].as_str().unwrap_or_default();
        table.row([name.clone(), if needed(name) { "yes" } else { "" }.to_owned(), meaning.to_owned()]);
    }
    let Facts { title, kind, about, .. } = facts;
    format!("{title} ({what} {kind:?})\n{about}\n{}\n\n{}", page_of(facts), table.text())
}
