//! Bodies in every encoding and envelopes in every shape.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;
use crate::refusal::RefusalKind;

const EVENT: &[u8] = br#"{"message":"hello"}"#;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn raw(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn store(encoding: &str, body: &[u8]) -> Result<Envelope, Refusal> {
    Intake::whole(Door::Store, None, encoding, Limits::default(), body)
}

fn envelope(body: impl AsRef<[u8]>) -> Result<Envelope, Refusal> {
    Intake::whole(Door::Envelope, None, "", Limits::default(), body.as_ref())
}

fn refused(answer: Result<Envelope, Refusal>) -> (u16, String) {
    let refusal = answer.expect_err("it is refused");
    (refusal.status(), refusal.detail)
}

#[test]
fn an_event_behind_too_many_other_things_is_kept() {
    let mut body = String::from("{}\n");
    (0..1_001).for_each(|_| body.push_str("{\"type\":\"session\"}\n{}\n"));
    body.push_str("{\"type\":\"event\"}\n{\"message\":\"last\"}\n");
    let read = envelope(&body).unwrap();
    assert_eq!(read.event().unwrap().payload, b"{\"message\":\"last\"}");
}

#[test]
fn every_encoding_is_taken_off() {
    // {"message":"hello"} by another program: brotli 1.1
    let brotli = [
        0x0b, 0x09, 0x80, 0x7b, 0x22, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x22, 0x3a, 0x22, 0x68, 0x65,
        0x6c, 0x6c, 0x6f, 0x22, 0x7d, 0x03,
    ];
    let zstd = zstd::stream::encode_all(EVENT, 3).unwrap();
    for (encoding, body) in [
        ("", EVENT.to_vec()),
        ("identity", EVENT.to_vec()),
        ("UTF-8", EVENT.to_vec()),
        ("gzip", gzip(EVENT)),
        ("GZIP", gzip(EVENT)),
        ("deflate", zlib(EVENT)),
        ("deflate", raw(EVENT)),
        ("br", brotli.to_vec()),
        ("zstd", zstd),
        ("", STANDARD.encode(zlib(EVENT)).into_bytes()),
        ("", STANDARD.encode(EVENT).into_bytes()),
    ] {
        let whole = store(encoding, &body).unwrap_or_else(|refusal| panic!("{encoding}: {refusal}"));
        assert_eq!(whole.items[0].payload, EVENT, "{encoding}");
        let mut intake = Intake::new(Door::Store, None, encoding, Limits::default()).unwrap();
        for byte in body.chunks(1) {
            intake.push(byte).unwrap();
        }
        assert_eq!(intake.finish().unwrap(), whole, "{encoding}, byte by byte");
    }
}

#[test]
fn what_is_broken_is_refused() {
    for (encoding, body) in [
        ("gzip", gzip(EVENT)),
        ("deflate", zlib(EVENT)),
        ("zstd", zstd::stream::encode_all(EVENT, 3).unwrap()),
    ] {
        let cut = &body[..body.len() - 6];
        assert_eq!(refused(store(encoding, cut)).0, 400, "{encoding}: it ends too early");
    }
    assert_eq!(refused(store("gzip", EVENT)).0, 400);
    assert_eq!(refused(store("br", &[0xff; 40])).0, 400);
    assert_eq!(refused(store("deflate", &[0x78])).0, 400);
    assert_eq!(refused(store("", b"")), (400, "the body is empty".to_owned()));
    assert_eq!(refused(store("compress", EVENT)).0, 415);
}

#[test]
fn a_bomb_is_refused_at_the_cap() {
    let zeros = vec![b' '; 8 << 20];
    for (encoding, bomb) in [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("zstd", { zstd::stream::encode_all(zeros.as_slice(), 3).unwrap() }),
    ] {
        assert_eq!(
            refused(store(encoding, &bomb)),
            (413, "the event is larger than 2097152 bytes".to_owned())
        );
        let limits = Limits { body_bytes: 1 << 20, ..Limits::default() };
        let answer = Intake::whole(Door::Envelope, None, encoding, limits, &bomb);
        let (status, _) = refused(answer);
        assert!(status == 413 || status == 400, "{encoding}");
    }
    let base64 = STANDARD.encode(zlib(&zeros));
    assert_eq!(refused(store("", base64.as_bytes())).0, 413);
}

#[test]
fn an_envelope_is_read_in_every_shape() {
    let id = "9ec79c33ec9942ab8353589fcb2e04dc";
    let header =
        format!("{{\"event_id\":\"{id}\",\"sent_at\":\"2026-11-21T10:00:00Z\",\"dsn\":\"http://k@h/1\"}}");
    for body in [
        format!("{header}\n{{\"type\":\"event\"}}\n{{\"message\":\"hello\"}}"),
        format!("{header}\n{{\"type\":\"event\"}}\n{{\"message\":\"hello\"}}\n"),
        format!("{header}\n{{\"type\":\"event\",\"length\":19}}\n{{\"message\":\"hello\"}}\n\n\n"),
        format!("{header}\n{{\"type\":\"event\",\"length\":19}}\n{{\"message\":\"hello\"}}"),
        format!(
            "{header}\n{{\"type\":\"session\"}}\n{{}}\n{{\"type\":\"event\",\"length\":19}}\n{{\"message\":\"hello\"}}"
        ),
        format!(
            "{header}\n{{\"type\":\"brandnew\",\"length\":3}}\na\nb\n{{\"type\":\"event\"}}\n{{\"message\":\"hello\"}}"
        ),
        format!(
            "{header}\n{{\"type\":\"x\",\"length\":0}}\n\n{{\"type\":\"event\"}}\n{{\"message\":\"hello\"}}"
        ),
    ] {
        let read = envelope(&body).unwrap_or_else(|refusal| panic!("{body}: {refusal}"));
        assert_eq!(read.event().expect(&body).payload, EVENT, "{body}");
        assert_eq!(read.header.event_id.as_deref(), Some(id));
        let mut intake = Intake::new(Door::Envelope, None, "", Limits::default()).unwrap();
        for byte in body.as_bytes().chunks(1) {
            intake.push(byte).unwrap();
        }
        assert_eq!(intake.finish().unwrap(), read, "byte by byte: {body}");
    }
    assert_eq!(envelope("{}").unwrap(), Envelope::default());
    assert_eq!(envelope("{}\n").unwrap(), Envelope::default());
}

#[test]
fn an_envelope_may_come_to_the_store_endpoint() {
    let kind = Some("application/x-sentry-envelope");
    let body = b"{}\n{\"type\":\"event\"}\n{\"message\":\"hello\"}";
    let read = Intake::whole(Door::Store, kind, "", Limits::default(), body).unwrap();
    assert_eq!(read.event().unwrap().payload, EVENT);
}

#[test]
fn what_is_not_kept_is_counted_and_never_fails() {
    let attachment = "x".repeat(6 << 20);
    let body = format!(
        "{{}}\n{{\"type\":\"attachment\",\"length\":{}}}\n{attachment}\n\
         {{\"type\":\"event\"}}\n{{\"message\":\"hello\"}}\n\
         {{\"type\":\"session\"}}\n{{}}\n{{\"type\":\"session\"}}\n{{}}\n{{\"type\":\"event\"}}\n{{}}\n{{}}\n{{}}\n\
         {{\"type\":\"check_in\",\"length\":500000}}\n{}\n{{\"type\":\"check_in\"}}\n{}\n\
         {{\"type\":\"check_in\"}}\n{{}}",
        attachment.len(),
        "y".repeat(500_000),
        "z".repeat(500_000),
    );
    let read = envelope(&body).unwrap();
    assert_eq!(read.event().unwrap().payload, EVENT);
    let counted: Vec<_> = read.dropped.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(
        counted,
        [("attachment", 1), ("check_in too large", 2), ("event too many", 1), ("other", 1), ("session", 2)]
    );
    assert_eq!(read.items.len(), 2, "the event and the last check-in");
}

#[test]
fn ten_thousand_items_are_read_over() {
    let mut body = "{}\n{\"type\":\"event\"}\n{\"message\":\"hello\"}\n".to_owned();
    for index in 0..10_000 {
        body.push_str(&format!("{{\"type\":\"kind{index}\"}}\n{{}}\n{{\"type\":\"client_report\"}}\n{{}}\n"));
    }
    let read = envelope(&body).unwrap();
    assert!(read.items.len() <= 1 + Limits::default().kept_items + 1, "{}", read.items.len());
    assert!(read.dropped.len() <= crate::envelope::MAX_TYPES + 2, "{}", read.dropped.len());
    assert_eq!(read.dropped.values().sum::<u64>() + read.items.len() as u64, 20_001);
}

#[test]
fn what_is_no_envelope_says_what_is_wrong() {
    for (body, detail) in [
        ("nonsense", "the envelope's header: no JSON: a value expected at byte 0"),
        ("[]\n", "the envelope's header is no JSON object"),
        ("{}\nnonsense\n{}", "the header of item 1 of the envelope: no JSON: a value expected at byte 0"),
        (
            "{}\n{\"type\":\"event\",\"length\":-1}\n{}",
            "the header of item 1 of the envelope: length is no number of bytes",
        ),
        (
            "{}\n{\"type\":\"event\",\"length\":30}\n{}",
            "item 1 of the envelope ends 28 bytes before its length",
        ),
        ("{}\n{\"type\":\"event\",\"length\":1}\n{}", "item 1 of the envelope goes on behind its length"),
    ] {
        assert_eq!(refused(envelope(body)), (400, detail.to_owned()), "{body}");
    }
    let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(8 << 20));
    assert_eq!(refused(envelope(&long)).0, 400);
    let large = format!("{{}}\n{{\"type\":\"event\"}}\n\"{}\"", "x".repeat(3 << 20));
    assert_eq!(refused(envelope(&large)).0, 413);
}

#[test]
fn a_refusal_fits_into_a_header() {
    let refusal = Refusal { kind: RefusalKind::Malformed, detail: "a\r\nb: ä".repeat(100) };
    assert!(refusal.header().bytes().all(|byte| (b' '..0x7f).contains(&byte)));
    assert_eq!(refusal.header().len(), 200);
    assert_eq!(Refusal::malformed("no \"x\"").body(), r#"{"detail":"no \"x\"","causes":[]}"#);
}

proptest::proptest! {
    #[test]
    fn how_a_body_is_cut_does_not_matter(
        items in proptest::collection::vec(("(event|session|feedback|x)", "[a-z\\r]{0,20}", proptest::bool::ANY), 0..6),
        cuts in proptest::collection::vec(1usize..30, 1..20),
    ) {
        let mut body = "{}\n".to_owned();
        for (kind, payload, with_length) in &items {
            let length = if *with_length { format!(",\"length\":{}", payload.len()) } else { String::new() };
            body.push_str(&format!("{{\"type\":\"{kind}\"{length}}}\n{payload}\n"));
        }
        let whole = envelope(&body).unwrap();
        let count = whole.items.len() as u64 + whole.dropped.values().sum::<u64>();
        proptest::prop_assert_eq!(count, items.len() as u64);
        let mut intake = Intake::new(Door::Envelope, None, "", Limits::default()).unwrap();
        let mut rest = body.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            intake.push(piece).unwrap();
            rest = behind;
        }
        proptest::prop_assert_eq!(intake.finish().unwrap(), whole);
    }

    #[test]
    fn any_bytes_have_an_answer(body in proptest::collection::vec(proptest::num::u8::ANY, 0..300), which in 0usize..6) {
        let encoding = ["", "gzip", "deflate", "br", "zstd", "identity"][which];
        for door in [Door::Store, Door::Envelope, Door::Security] {
            let _ = Intake::whole(door, None, encoding, Limits::default(), &body);
        }
    }
}

#[test]
fn an_event_is_seen_before_all_of_it_is_here() {
    let begun = |items: &str| {
        let mut intake = Intake::new(Door::Envelope, None, "", Limits::default()).unwrap();
        intake.push(format!("{{}}\n{items}").as_bytes()).unwrap();
        intake.has_event()
    };
    assert!(begun("{\"type\":\"event\",\"length\":20000}\n{\"mess"));
    assert!(begun(
        "{\"type\":\"check_in\",\"length\":2}\n{}\n{\"type\":\"event\"}\n{}\n{\"type\":\"session\"}\n"
    ));
    assert!(!begun("{\"type\":\"check_in\",\"length\":2}\n{}\n{\"type\":\"ev"));
    assert!(!begun("{\"type\":\"session\"}\n{\"type\":\"event\"}"));
}
