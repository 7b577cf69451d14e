//! One message a line: JSON-RPC 2.0 without its batches.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::{MAX_LINE_BYTES, MAX_RPC_ID_BYTES};

/// Not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON, but no request.
pub const INVALID_REQUEST: i64 = -32600;
/// There is no such method.
pub const NO_SUCH_METHOD: i64 = -32601;
/// The parameters are wrong.
pub const INVALID_PARAMS: i64 = -32602;
/// The other side failed.
pub const INTERNAL_ERROR: i64 = -32603;
/// The time is over.
pub const TIMED_OUT: i64 = -32001;
/// Nobody waits for it any more.
pub const CANCELLED: i64 = -32002;
/// The manifest does not permit it.
pub const NOT_PERMITTED: i64 = -32003;
/// There is no such thing.
pub const NOT_FOUND: i64 = -32004;
/// Too much at once.
pub const TOO_MUCH: i64 = -32005;
/// Not now: it is starting or stopping.
pub const NOT_NOW: i64 = -32006;
/// It goes in a circle.
pub const CIRCLE: i64 = -32007;

/// What a request is called by whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RpcId {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// An error as an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Fault {
    /// Which, as in JSON-RPC and above.
    #[serde(default)]
    pub code: i64,
    /// In words.
    #[serde(default)]
    pub message: String,
}

impl Fault {
    /// An error with its words.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Fault { code, message: message.into() }
    }
}

/// A message.
#[derive(Debug)]
pub enum Frame {
    /// Something is asked.
    Request {
        /// Under which the answer is to come.
        id: RpcId,
        /// What is asked.
        method: String,
        /// With what.
        params: Option<Box<RawValue>>,
    },
    /// Something is told.
    Notification {
        /// What.
        method: String,
        /// With what.
        params: Option<Box<RawValue>>,
    },
    /// Something that was asked is answered.
    Answer {
        /// Under which it was asked.
        id: RpcId,
        /// What came of it.
        result: Result<Box<RawValue>, Fault>,
    },
    /// Something could not be read by whoever it was for, who does not know what it was.
    Unread(Fault),
}

/// A line that is no message, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAMessage(pub String);

#[derive(Deserialize)]
struct Incoming {
    #[serde(default)]
    id: Option<RpcId>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Fault>,
}

#[derive(Serialize)]
struct Outgoing<'a, Params> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RpcId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Params>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Params>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Fault>,
}

impl Frame {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no message.
    pub fn read(line: &[u8]) -> Result<Frame, NotAMessage> {
        let read: Result<Incoming, _> = serde_json::from_slice(line);
        let frame = read.map_err(|error| NotAMessage(format!("not a message: {error}")))?;
        if let Some(RpcId::Text(text)) = &frame.id
            && text.len() > MAX_RPC_ID_BYTES
        {
            return Err(NotAMessage(format!(
                "not a message: its id is longer than {MAX_RPC_ID_BYTES} bytes"
            )));
        }
        match (frame.id, frame.method) {
            (Some(id), Some(method)) => Ok(Frame::Request { id, method, params: frame.params }),
            (None, Some(method)) => Ok(Frame::Notification { method, params: frame.params }),
            (Some(id), None) => {
                let result = match (frame.error, frame.result) {
                    (Some(fault), _) => Err(fault),
                    (None, Some(result)) => Ok(result),
                    (None, None) => Ok(RawValue::NULL.to_owned()),
                };
                Ok(Frame::Answer { id, result })
            }
            (None, None) => match frame.error {
                Some(fault) => Ok(Frame::Unread(fault)),
                None => Err(NotAMessage("not a message: it has neither `id` nor `method`".to_owned())),
            },
        }
    }
}

/// The line of a request.
///
/// # Errors
/// When it would be too long.
pub fn request<P: Serialize>(id: &RpcId, method: &str, params: &P) -> Result<String, Fault> {
    line(&Outgoing {
        jsonrpc: "2.0",
        id: Some(id),
        method: Some(method),
        params: Some(params),
        result: None,
        error: None,
    })
}

/// The line of a notification.
///
/// # Errors
/// When it would be too long.
pub fn notification<P: Serialize>(method: &str, params: &P) -> Result<String, Fault> {
    line(&Outgoing {
        jsonrpc: "2.0",
        id: None,
        method: Some(method),
        params: Some(params),
        result: None,
        error: None,
    })
}

/// The line of an answer. One that would be too long becomes an error that says so.
pub fn answer<R: Serialize>(id: &RpcId, result: Result<&R, &Fault>) -> String {
    let (result, error) = match result {
        Ok(result) => (Some(result), None),
        Err(fault) => (None, Some(fault)),
    };
    let outgoing = Outgoing { jsonrpc: "2.0", id: Some(id), method: None, params: None, result, error };
    line(&outgoing).unwrap_or_else(|fault| {
        let outgoing: Outgoing<'_, ()> = Outgoing {
            jsonrpc: "2.0",
            id: Some(id),
            method: None,
            params: None,
            result: None,
            error: Some(&fault),
        };
        // an error in our own words is short
        line(&outgoing).unwrap_or_default()
    })
}

fn line<P: Serialize>(outgoing: &Outgoing<'_, P>) -> Result<String, Fault> {
    let text = serde_json::to_string(outgoing);
    let mut text = text.map_err(|error| Fault::new(INTERNAL_ERROR, format!("cannot be written: {error}")))?;
    text.push('\n');
    if text.len() > MAX_LINE_BYTES {
        let length = text.len();
        return Err(Fault::new(
            TOO_MUCH,
            format!("a message of {length} bytes is longer than {MAX_LINE_BYTES}"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_sort_of_message_is_told_from_the_others() {
        let read = |text: &str| Frame::read(text.as_bytes());
        assert!(matches!(read(r#"{"id": 1, "method": "hello"}"#), Ok(Frame::Request { .. })));
        assert!(matches!(read(r#"{"method": "log", "params": {}}"#), Ok(Frame::Notification { .. })));
        assert!(matches!(read(r#"{"id": "a", "result": null}"#), Ok(Frame::Answer { result: Ok(_), .. })));
        assert!(matches!(read(r#"{"id": 1, "error": {}}"#), Ok(Frame::Answer { result: Err(_), .. })));
        assert!(matches!(
            read(r#"{"id": null, "error": {"code": -32700}}"#),
            Ok(Frame::Unread(Fault { code: PARSE_ERROR, .. }))
        ));
        // what is unknown is ignored, also beside what is known
        assert!(matches!(
            read(r#"{"id": 1, "result": 2, "more": [1]}"#),
            Ok(Frame::Answer { result: Ok(_), .. })
        ));
        for junk in ["", "hello", "{}", "[]", "1", r#"{"id": null, "result": 1}"#, r#"{"id": 1.5}"#, "\u{0}"]
        {
            assert!(read(junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn what_is_too_long_is_never_sent() {
        let long = "x".repeat(MAX_LINE_BYTES);
        assert_eq!(request(&RpcId::Number(1), "m", &long).map_err(|fault| fault.code), Err(TOO_MUCH));
        let told = answer(&RpcId::Number(1), Ok(&long));
        assert!(told.len() < 200 && told.contains("longer than"), "{told}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Frame::read(&bytes);
        }

        #[test]
        fn what_is_written_is_read_again(id in any::<i64>(), method in "[a-z.$/]{1,20}", text in ".*") {
            let line = request(&RpcId::Number(id), &method, &text).unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
            let Ok(Frame::Request { id: read, method: called, params }) = Frame::read(line.as_bytes()) else {
                return Err(TestCaseError::fail("no request"));
            };
            prop_assert_eq!(read, RpcId::Number(id));
            prop_assert_eq!(called, method);
            let said: String = serde_json::from_str(params.unwrap().get()).unwrap();
            prop_assert_eq!(said, text);
        }
    }
}
