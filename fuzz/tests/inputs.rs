//! Every seed and every input that ever made a target fail: none may.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::Path;

use nightbell_fuzz::{TARGETS, seeds};

#[test]
fn no_known_input_makes_a_target_fail() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let inputs = seeds(name);
        assert!(!inputs.is_empty(), "{name} has no seeds");
        for (file, bytes) in inputs {
            if catch_unwind(|| target(&bytes)).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Else a target would be left out in silence.
#[test]
fn every_target_has_a_file_for_cargo_fuzz() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(here.join(folder)).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())).collect()
    };
    assert_eq!(names("fuzz_targets"), known);
    assert_eq!(names("corpus"), known);
    assert!(names("regressions").is_subset(&known));
    let manifest = std::fs::read_to_string(here.join("Cargo.toml")).expect("reading the manifest");
    for name in &known {
        assert!(manifest.contains(&format!("name = {name:?}\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}
