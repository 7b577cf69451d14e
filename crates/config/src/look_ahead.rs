//! What a file says of plugins, before it is read as a whole.
//!
//! What a plugin may be set to is known only when its manifest is read, and where manifests are is in the file. So
//! `[plugins]` is read twice: at first without settings, here, and with everything else once their schemas are known.

use std::path::PathBuf;

use sdk::Registry;

use crate::load::{Format, Source};
use crate::node::Node;
use crate::overrides::Overrides;
use crate::path::Path;
use crate::plugins::Plugins;
use crate::problem::{Origin, Problems};
use crate::read::read;
use crate::schema::{View, schema};
use crate::sections::Database;
use crate::{from_toml, overlay};

/// Where a file says that plugins are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginPlaces {
    /// The section, without settings.
    pub plugins: Plugins,
    /// The folder of the built-in database, where plugins keep what they keep.
    pub data_dir: PathBuf,
}

/// What a file says of plugins before it is known what each may be set to. What is wrong with the file is told when
/// it is
/// read as a whole; until then it has no plugins.
pub fn plugins_of(
    source: Source<'_>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: &Overrides,
) -> PluginPlaces {
    let directory = source.directory;
    let none = || {
        let data_dir = directory.join(Database::default().data_dir);
        PluginPlaces { plugins: Plugins::default(), data_dir }
    };
    let mut problems = Problems::default();
    let root = match source.format {
        Format::Toml => from_toml::parse(source.name, source.text, &mut problems),
        // it says nothing of plugins, but others may
        Format::Alertmanager => Some(Node::table(&Origin::Default)),
    };
    let Some(mut root) = root else { return none() };
    let kinds = Registry::default();
    let schema = schema(&kinds);
    let environment = environment.into_iter().collect();
    overlay::lay_over(&mut root, &View::whole(&schema), &environment, &mut problems);
    overrides.only(|section| section == "plugins").lay_over(&mut root, &kinds, &mut problems);
    let mut places = none();
    let data_dir = root.at(&Path::of(&["database", "data_dir"])).and_then(|node| node.as_text());
    if let Some(data_dir) = data_dir {
        places.data_dir = directory.join(data_dir);
    }
    root.remove(&Path::of(&["plugins", "settings"]));
    let section = root.get("plugins").and_then(|node| read(node, &Path::of(&["plugins"]), &mut problems));
    if let Some(plugins) = section {
        places.plugins = plugins;
        places.plugins.folder = places.plugins.folder.map(|folder| directory.join(folder));
        places.plugins.home = places.plugins.home.map(|home| directory.join(home));
    }
    places
}
