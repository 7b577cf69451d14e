//! Whose code a frame is, where the client does not say.
//!
//! Raven for Python says nothing of it, and sentry_sdk does; both must come to the same, or one error would
//! be two groups.

use crate::event::Frame;

/// Guesses whether a frame is the program's own, from where its file lies.
pub(crate) fn infer(platform: &str, frame: &Frame) -> bool {
    let path = frame.abs_path.as_deref().or(frame.filename.as_deref()).unwrap_or_default();
    match platform {
        "python" => python(path, frame),
        "javascript" | "node" => javascript(path),
        "ruby" => !has_part(path, &["gems", "vendor"]) && !path.contains("/lib/ruby/"),
        "php" => !has_part(path, &["vendor"]),
        "go" => {
            let module = frame.module.as_deref().unwrap_or_default();
            !path.contains("/go/src/") && !path.contains("/pkg/mod/") && module != "runtime"
        }
        "java" => {
            let module = frame.module.as_deref().unwrap_or_default();
            const LIBRARIES: [&str; 8] =
                ["java.", "javax.", "jdk.", "sun.", "com.sun.", "kotlin.", "scala.", "org.springframework."];
            !LIBRARIES.iter().any(|library| module.starts_with(library))
        }
        "csharp" => {
            let module = frame.module.as_deref().unwrap_or_default();
            !module.starts_with("System.") && !module.starts_with("Microsoft.")
        }
        "native" | "rust" => {
            let function = frame.function.as_deref().unwrap_or_default();
            const LIBRARIES: [&str; 4] = ["std::", "core::", "alloc::", "__rust_"];
            !LIBRARIES.iter().any(|library| function.trim_start_matches('<').starts_with(library))
                && !path.starts_with("/rustc/")
                && !path.contains("/.cargo/registry/")
        }
        _ => true,
    }
}

fn python(path: &str, frame: &Frame) -> bool {
    if has_part(path, &["site-packages", "dist-packages"]) || path.starts_with("<frozen ") {
        return false;
    }
    // the standard library lies in …/lib/python3.11/…
    let standard = path.split(['/', '\\']).collect::<Vec<_>>().windows(2).any(|pair| {
        pair[0].eq_ignore_ascii_case("lib")
            && pair[1]
                .strip_prefix("python")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    !standard && frame.module.as_deref() != Some("threading")
}

fn javascript(path: &str) -> bool {
    !(path.starts_with("node:")
        || path.starts_with("internal/")
        || path == "native"
        || path.starts_with("webpack/")
        || path.contains("://extension/")
        || path.starts_with("chrome-extension://")
        || path.starts_with("moz-extension://")
        || has_part(path, &["node_modules"]))
}

fn has_part(path: &str, names: &[&str]) -> bool {
    path.split(['/', '\\']).any(|part| names.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(platform: &str, path: &str) -> bool {
        infer(platform, &Frame { abs_path: Some(path.to_owned()), ..Frame::default() })
    }

    #[test]
    fn libraries_are_not_the_programs_own() {
        assert!(at("python", "/srv/shop/payments.py"));
        assert!(!at("python", "/srv/shop/venv/lib/python3.11/site-packages/django/core.py"));
        assert!(!at("python", "/usr/lib/python3/dist-packages/yaml.py"));
        assert!(!at("python", "/usr/lib/python3.11/json/decoder.py"));
        assert!(!at("python", "<frozen importlib._bootstrap>"));
        assert!(at("python", "/srv/python3.11/app.py"));
        assert!(at("node", "/srv/shop/index.js"));
        assert!(!at("node", "node:internal/process/task_queues"));
        assert!(!at("node", "/srv/shop/node_modules/express/lib/router.js"));
        assert!(at("other", "/anything"));
    }
}
