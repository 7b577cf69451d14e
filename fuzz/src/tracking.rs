//! What programs and browsers report of their errors.

use std::io::{Cursor, Write as _};

use tracker::auth::{MAX_KEY_LENGTH, credentials};
use tracker::form;
use tracker::sourcemap::SourceMap;
use tracker::uploads::bundle::{Bundle, MAX_FILES};
use tracker::uploads::{Assemble, PIECE_BYTES, piece};
use tracker::{
    Arrival, Door, Event, Intake, Item, ItemKind, Limits, Places, Rules, Scrubber, describe, group, items,
    process,
};

use crate::halves;

/// A request: the door and the encoding in the first line, then the body.
pub fn sentry_body(data: &[u8]) {
    let (first, body) = halves(data);
    let words = String::from_utf8_lossy(first);
    let (door, encoding) = words.split_once(' ').unwrap_or((&words, ""));
    let door = match door {
        "store" => Door::Store,
        "security" => Door::Security,
        _ => Door::Envelope,
    };
    let limits =
        || Limits { body_bytes: 1 << 20, event_bytes: 64 << 10, item_bytes: 4 << 10, ..Limits::default() };
    let whole = Intake::whole(door, None, encoding, limits(), body);
    // how it is cut on its way must not matter
    let in_pieces = Intake::new(door, None, encoding, limits()).and_then(|mut intake| {
        body.chunks(7).try_for_each(|piece| intake.push(piece))?;
        intake.finish()
    });
    assert_eq!(whole.is_ok(), in_pieces.is_ok());
    match (whole, in_pieces) {
        (Ok(whole), Ok(in_pieces)) => {
            assert_eq!(whole, in_pieces);
            assert!(whole.items.iter().all(|item| item.payload.len() <= limits().event_bytes));
            assert!(whole.dropped.len() <= 3 * tracker::envelope::MAX_TYPES);
        }
        (Err(refusal), _) | (_, Err(refusal)) => {
            assert!([400, 413, 415].contains(&refusal.status()) && !refusal.detail.is_empty());
        }
    }
}

/// Who sends, a line for each place where that may stand; an empty one is not there.
pub fn sentry_auth(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n').map(|line| Some(line).filter(|line| !line.is_empty()));
    let mut next = || lines.next().flatten();
    let places = Places { x_sentry_auth: next(), authorization: next(), query: next(), dsn: next() };
    match credentials(&places) {
        Ok(said) => {
            assert!((1..=MAX_KEY_LENGTH).contains(&said.key.len()));
            assert!(said.key.bytes().all(|byte| byte.is_ascii_graphic()));
            let others = [said.version, said.client, said.project, said.timestamp];
            assert!(others.iter().flatten().all(|it| it.len() <= 4 * MAX_KEY_LENGTH));
            assert!(others.iter().flatten().all(|it| !it.contains(char::is_control)));
        }
        Err(refusal) => assert!(refusal.status() == 403 && refusal.header().is_ascii()),
    }
}

/// A form of several parts: its content type, then the body.
pub fn sentry_form(data: &[u8]) {
    const MOST: usize = 8;
    let (kind, body) = halves(data);
    match form::parts(&String::from_utf8_lossy(kind), body, MOST) {
        Ok(parts) => {
            assert!(parts.len() <= MOST);
            // each is a piece of what was sent, and none is there twice
            assert!(parts.iter().map(|part| part.bytes.len()).sum::<usize>() <= body.len());
        }
        Err(refusal) => assert!([400, 413].contains(&refusal.status()) && !refusal.detail.is_empty()),
    }
}

/// The JSON of an event.
pub fn sentry_event(data: &[u8]) {
    kept(Item { kind: ItemKind::Event, payload: data.to_vec() });
}

/// What a browser reports of itself.
pub fn sentry_report(data: &[u8]) {
    kept(Item { kind: ItemKind::Security, payload: data.to_vec() });
}

/// Whatever is kept of an event can be written, read again, and comes to the same groups.
fn kept(item: Item) {
    let scrubber = Scrubber::default();
    let mut event = match process(&item, &Arrival::default(), &scrubber) {
        Ok(event) => event,
        Err(refusal) => return assert_eq!(refusal.status(), 400),
    };
    let rules = Rules::default();
    let hashes = group(&event, &rules).hashes();
    assert!(!hashes.is_empty() && hashes.iter().all(|hash| hash.value.len() == 32));
    assert!(!event.title.is_empty() && event.title.chars().count() <= describe::MAX_TITLE);
    let written = serde_json::to_string(&event).expect("an event can be written");
    let read: Event = serde_json::from_str(&written).expect("and read");
    assert_eq!(group(&read, &rules).hashes(), hashes);
    // no secret is left for a second look
    let notes = (event.notes.list.len(), event.notes.more);
    scrubber.scrub(&mut event);
    assert_eq!((event.notes.list.len(), event.notes.more), notes);
    assert!(!describe::tags(&event).is_empty());
}

/// What comes beside events, and the releases in it.
pub fn sentry_items(data: &[u8]) {
    let (one, other) = halves(data);
    if let Some(check_in) = items::check_in(one) {
        assert!(!check_in.monitor.is_empty() && check_in.duration.is_none_or(|seconds| seconds >= 0.0));
    }
    assert!(items::feedback(one).is_none_or(|feedback| !feedback.comments.is_empty()));
    assert!(items::client_report(one).is_none_or(|report| report.discarded.len() <= 4_000));
    let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
    let order = tracker::release::compare(&one, &other);
    assert_eq!(tracker::release::compare(&other, &one), order.map(std::cmp::Ordering::reverse));
}

/// A source map, and a frame of the file that it is of.
pub fn source_map(data: &[u8]) {
    let Ok(map) = SourceMap::read(data) else { return };
    let payload = br#"{"platform": "javascript", "exception": {"type": "E", "stacktrace": {"frames": [
        {"filename": "https://a.org/b.js", "function": "f", "lineno": 1, "colno": 1},
        {"filename": "https://a.org/b.js", "function": "g", "lineno": 2, "colno": 70000}]}}}"#;
    let item = Item { kind: ItemKind::Event, payload: payload.to_vec() };
    let mut event = process(&item, &Arrival::default(), &Scrubber::default()).expect("it is an event");
    assert!(tracker::sourcemap::apply(&mut event, |_| tracker::sourcemap::Found::Map(&map)) <= 2);
    assert!(serde_json::to_string(&event).is_ok());
}

/// What a build uploads: an archive as it is, and one that is made of a manifest and what is in its files; the same as
/// a piece of one, and as what asks for pieces to be put together.
pub fn upload_archive(data: &[u8]) {
    unpack(data);
    let (manifest, content) = halves(data);
    unpack(&archive(&[("manifest.json", manifest), ("files/_/_/a.js.map", content)]));
    if let Ok((_, plain)) = piece(&"0".repeat(40), data, true) {
        assert!(plain.len() <= PIECE_BYTES);
    }
    if let Ok(asked) = serde_json::from_slice::<Assemble>(manifest)
        && let Ok(asked) = asked.checked()
    {
        assert!(!asked.chunks.is_empty() && asked.chunks.iter().all(|sum| sum.len() == 40));
    }
}

fn unpack(bytes: &[u8]) {
    let mut bundle = match Bundle::open(Cursor::new(bytes)) {
        Ok(bundle) => bundle,
        Err(refusal) => return assert!([400, 413].contains(&refusal.status()) && !refusal.detail.is_empty()),
    };
    let count = bundle.files().count();
    assert!(count <= MAX_FILES);
    for place in 0..count.min(4) {
        if let Ok(content) = bundle.read(place) {
            source_map(&content);
        }
    }
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a file can be added");
        archive.write_all(content).expect("and written");
    }
    archive.finish().expect("and the archive ended").into_inner()
}

/// Rules by which a project groups, and an event.
pub fn grouping_rules(data: &[u8]) {
    let (rules, event) = halves(data);
    let rules: Rules = match String::from_utf8_lossy(rules).parse() {
        Ok(rules) => rules,
        Err(error) => return assert!(error.line > 0 && !error.what.is_empty()),
    };
    let again: Rules = rules.to_string().parse().expect("what was read can be read again");
    assert_eq!(again.rules(), rules.rules());
    let item = Item { kind: ItemKind::Event, payload: event.to_vec() };
    if let Ok(event) = process(&item, &Arrival::default(), &Scrubber::default()) {
        assert!(!group(&event, &rules).hashes().is_empty());
    }
}
