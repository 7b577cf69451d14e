//! What plugins write: lines, manifests, schemas.

use plugin_host::folder;
use plugin_protocol::{Frame, calls};

/// A line of a plugin: a message or an error, and what is in it is read or refused.
pub fn plugin_line(data: &[u8]) {
    let Ok(frame) = Frame::read(data) else { return };
    let Frame::Answer { result: Ok(raw), .. } = frame else { return };
    let text = raw.get();
    // any of them may be asked for; none may panic
    let _ = serde_json::from_str::<calls::DeliverAnswer>(text);
    let _ = serde_json::from_str::<calls::ConfigureAnswer>(text);
    let _ = serde_json::from_str::<calls::HttpAnswer>(text);
    if let Ok(hello) = serde_json::from_str::<calls::HelloAnswer>(text) {
        let wrong = hello.provides.check();
        let both = hello.provides.and(&hello.provides);
        // what fits agrees with itself
        assert!(!wrong.is_empty() || both.is_ok(), "{both:?}");
    }
}

/// A manifest: usable or told of, in one line.
pub fn plugin_manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(why) = folder::manifest(text) {
        assert!(!why.is_empty() && !why.contains('\n'), "{why:?}");
    }
}
