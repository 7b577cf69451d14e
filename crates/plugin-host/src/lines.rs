//! Lines out of a pipe whose other end is not trusted: bounded in length, whatever comes.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// One line, without its end.
    Whole,
    /// One that is too long; the rest of it was skipped.
    TooLong,
    /// There are no more.
    End,
}

/// Reads a line of at most so many bytes into `line`, which is emptied first. Of a longer one the beginning is kept.
///
/// # Errors
/// When the pipe cannot be read.
pub async fn next(
    pipe: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    most: usize,
) -> std::io::Result<Line> {
    line.clear();
    let mut too_long = false;
    loop {
        let chunk = pipe.fill_buf().await?;
        if chunk.is_empty() {
            // half a line at the end is as good as a whole one: it may be the last words
            return Ok(if line.is_empty() && !too_long { Line::End } else { done(too_long) });
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = most - line.len();
        line.extend_from_slice(&part[..part.len().min(room)]);
        too_long |= part.len() > room;
        let used = part.len() + usize::from(end.is_some());
        pipe.consume(used);
        if end.is_some() {
            return Ok(done(too_long));
        }
    }
}

fn done(too_long: bool) -> Line {
    if too_long { Line::TooLong } else { Line::Whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_line_is_longer_than_it_may_be() {
        let text = b"ab\n\nabcdefgh\nend";
        // however it comes in pieces
        for size in 1..20 {
            let mut pipe = tokio::io::BufReader::with_capacity(size, &text[..]);
            let mut line = Vec::new();
            let mut read = Vec::new();
            loop {
                let what = next(&mut pipe, &mut line, 4).await.unwrap();
                if what == Line::End {
                    break;
                }
                read.push((what, String::from_utf8(line.clone()).unwrap()));
            }
            let wanted =
                [(Line::Whole, "ab"), (Line::Whole, ""), (Line::TooLong, "abcd"), (Line::Whole, "end")];
            assert_eq!(read, wanted.map(|(what, text)| (what, text.to_owned())));
        }
    }
}
