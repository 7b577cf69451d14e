//! JSON lists that may be long: written element by element as rows are read, then put in order, and sent
//! piece by piece.

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

/// Bytes of one piece.
const PIECE: usize = 64 * 1024;

/// A list under way: elements as JSON, each with what it is ordered by.
pub(super) struct List<K> {
    text: Vec<u8>,
    elements: Vec<(K, Range<usize>)>,
}

impl<K: Ord + Send + 'static> List<K> {
    pub(super) fn new() -> Self {
        List { text: Vec::new(), elements: Vec::new() }
    }

    /// Adds an element.
    pub(super) fn push(&mut self, key: K, element: &impl Serialize) {
        let start = self.text.len();
        match serde_json::to_writer(&mut self.text, element) {
            Ok(()) => self.elements.push((key, start..self.text.len())),
            // maps with names that are no texts cannot be written, and there are none
            Err(_) => self.text.truncate(start),
        }
    }

    /// The list in order, as an answer.
    pub(super) fn answer(mut self) -> Response {
        self.elements.sort_by(|(a, _), (b, _)| a.cmp(b));
        let length = self.text.len() + self.elements.len().saturating_sub(1) + b"[]\n".len();
        let (elements, text) = (self.elements, self.text);
        if length <= PIECE {
            let mut all = Vec::with_capacity(length);
            all.push(b'[');
            for (n, (_, range)) in elements.iter().enumerate() {
                add(&mut all, n, &text[range.clone()]);
            }
            all.extend_from_slice(b"]\n");
            return answer(Body::from(all));
        }
        let mut at = 0;
        let pieces = std::iter::from_fn(move || {
            if at > elements.len() {
                return None;
            }
            let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
            if at == 0 {
                piece.push(b'[');
            }
            while let Some((_, range)) = elements.get(at).filter(|_| piece.len() < PIECE) {
                add(&mut piece, at, &text[range.clone()]);
                at += 1;
            }
            if at == elements.len() {
                piece.extend_from_slice(b"]\n");
                at += 1;
            }
            Some(Ok::<_, std::convert::Infallible>(Bytes::from(piece)))
        });
        answer(Body::from_stream(futures::stream::iter(pieces)))
    }
}

fn add(all: &mut Vec<u8>, n: usize, element: &[u8]) {
    if n > 0 {
        all.push(b',');
    }
    all.extend_from_slice(element);
}

fn answer(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One JSON document, with the line feed that Go's programs end theirs with.
pub(super) fn document(value: &impl Serialize) -> Response {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    answer(Body::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_lists_are_whole_and_in_order() {
        for count in [0, 1, 3, 20_000] {
            let mut list = List::new();
            for n in (0..count).rev() {
                list.push(n, &format!("element {n}"));
            }
            let body =
                futures::executor::block_on(axum::body::to_bytes(list.answer().into_body(), usize::MAX));
            let read: Vec<String> = serde_json::from_slice(&body.unwrap()).unwrap();
            assert_eq!(read, (0..count).map(|n| format!("element {n}")).collect::<Vec<_>>());
        }
    }
}
