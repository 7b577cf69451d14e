//! Templates in Go's language.

use std::sync::{Arc, LazyLock};

use connectors::template::{Html, Language, Plain, Names, Template, built_in};
use gotemplate::Limits;
use sdk::{Message, Surroundings};

use crate::connecting;

/// A message that has everything.
static MESSAGE: LazyLock<Message> = LazyLock::new(|| connecting::message("<b>&\"quoted\"</b>"));

/// A template, as it stands in settings.
pub fn go_template(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    built_in().around(|| {
        run::<Plain>(source);
        run::<Html>(source);
    });
}

/// A file of templates, and behind a line of three dashes one that uses it.
pub fn go_template_file(data: &[u8]) {
    let (file, source) = crate::halves(data);
    let (Ok(file), Ok(source)) = (std::str::from_utf8(file), std::str::from_utf8(source)) else { return };
    let mut set = (*built_in().templates).clone();
    let names: Vec<String> = set.names().into_iter().map(ToOwned::to_owned).collect();
    if let Err(error) = set.parse("fuzzed.tmpl", file) {
        assert!(!error.text.is_empty() && error.line <= file.matches('\n').count() + 1, "{error:?}");
        assert_eq!(set.names(), names, "what failed left something behind");
    }
    Surroundings { templates: Arc::new(set) }.around(|| {
        run::<Plain>(source);
        run::<Html>(source);
    });
}

fn run<L: Language>(source: &str) {
    let names = Names::of(&MESSAGE);
    match Template::<L>::go(source) {
        Ok(template) => match template.render(&names) {
            Ok(text) => {
                assert!(text.len() <= Limits::default().output_bytes);
                assert_eq!(
                    template.render(&names).as_ref(),
                    Ok(&text),
                    "rendered again, it is something else"
                );
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        },
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
