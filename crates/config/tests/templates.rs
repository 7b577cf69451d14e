//! Files of templates: read over the built-in ones, used by name, and refused by file and line.

#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use std::fs;
use std::path::Path;

use nightbell_config::{Config, ConfigError, ShowAs, load};
use tempfile::TempDir;

const YML: &str = "\
route: {receiver: ops}
receivers:
- name: ops
  webhook_configs:
  - url: 'http://127.0.0.1:5001/{{ template \"team\" . }}'
templates: ['templates/*.tmpl']
";
const TEAM: &str = "{{ define \"team\" }}{{ .CommonLabels.team }}{{ end }}";

/// A folder with a configuration and files beside it.
fn folder(name: &str, text: &str, files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("templates")).unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join("templates").join(name), text).unwrap();
    }
    folder
}

fn read(path: &Path) -> Result<Config, String> {
    load(path, [], &connectors::registry()).map_err(|error| match error {
        ConfigError::Invalid(invalid) => invalid.to_string(),
        other => other.to_string(),
    })
}

#[test]
fn names_of_files_can_be_used_and_later_files_count() {
    let later = "{{ define \"team\" }}nobody{{ end }}{{ define \"slack.default.title\" }}ours{{ end }}";
    let files = [("a.tmpl", TEAM), ("b.tmpl", later), ("c.txt", "{{ not one")];
    let folder = folder("alertmanager.yml", YML, &files);
    let config = read(&folder.path().join("alertmanager.yml")).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let names = config.templates.templates.names();
    assert!(names.contains(&"team") && names.contains(&"__subject"), "{names:?}");
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    let files = [("bad.tmpl", "{{ define \"team\" }}\n{{ nope }}{{ end }}")];
    let folder = folder("alertmanager.yml", YML, &files);
    let said = read(&folder.path().join("alertmanager.yml")).err().unwrap();
    assert!(said.contains("templates.files[0]") && said.contains("bad.tmpl:2"), "{said}");
    assert!(said.contains("function \"nope\" not defined"), "{said}");
    assert!(said.contains("alertmanager.yml:6:"), "{said}");
}

#[test]
fn a_name_that_nobody_defined_is_refused_where_it_is_used() {
    let folder = folder("alertmanager.yml", YML, &[]);
    let said = read(&folder.path().join("alertmanager.yml")).err().unwrap();
    assert!(said.contains("template \"team\" not defined"), "{said}");
}

#[test]
fn files_that_are_not_there_are_a_warning_and_those_that_are_too_large_an_error() {
    let toml =
        "[templates]\nfiles = [\"templates/[a-b].tmpl\"]\n[route]\nreceiver = \"ops\"\n[receivers.ops]\n";
    let folder = folder("nightbell.toml", toml, &[]);
    let path = folder.path().join("nightbell.toml");
    let warnings = read(&path).unwrap().warnings;
    assert!(warnings[0].to_string().contains("there is no file templates/[a-b].tmpl"), "{warnings:?}");
    fs::write(folder.path().join("templates/a.tmpl"), vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(read(&path).err().unwrap().contains("more than 1048576 bytes"));
    fs::write(folder.path().join("templates/a.tmpl"), [0xff, 0xfe]).unwrap();
    assert!(read(&path).err().unwrap().contains("not in UTF-8"));
    let toml = toml.replace("[a-b]", "[a-");
    fs::write(&path, toml).unwrap();
    assert!(read(&path).err().unwrap().contains("nightbell.toml:2:"));
}

#[test]
fn what_is_kept_leads_to_the_same_files_from_anywhere() {
    let folder = folder("alertmanager.yml", YML, &[("a.tmpl", TEAM)]);
    let config = read(&folder.path().join("alertmanager.yml")).unwrap();
    let kept = config.show(ShowAs::Kept);
    let whole = folder.path().join("templates/*.tmpl").display().to_string();
    assert!(kept.contains(&whole), "{kept}");
}
