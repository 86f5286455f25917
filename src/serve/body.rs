//! The body of a request, read within limits: of size, of time, and of what all bodies
//! together take.

use super::problem::{Answered, Problem};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use flate2::read::{GzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bodies of the largest size memory has room for.
const LARGEST: usize = 8;
/// What is counted at a time.
const UNIT: usize = 1 << 10;

/// Reads bodies.
#[derive(Debug, Clone)]
pub struct Bodies {
    most: usize,
    time: Duration,
    room: Arc<Semaphore>,
}

/// A body; room for it is kept until it is dropped.
pub struct Whole {
    /// What came.
    pub bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// Bodies of at most so many bytes, that have come within a time.
    pub fn new(most: usize, time: Duration) -> Bodies {
        Bodies { most, time, room: Arc::new(Semaphore::new(LARGEST * most.div_ceil(UNIT))) }
    }

    /// The body of a request, unpacked.
    ///
    /// Fails when it is too large, too slow, or packed in a way that is not known, and when
    /// there is no room for it beside others.
    pub async fn read(&self, headers: &HeaderMap, body: Body) -> Answered<Whole> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|n| n > self.most as u64) {
            return Err(self.too_large());
        }
        let coding = headers.get(header::CONTENT_ENCODING).map_or("", |v| v.to_str().unwrap_or("?")).trim();
        if !["", "identity", "gzip", "deflate"].contains(&coding) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("Content-Encoding {coding}: expected gzip, deflate or none"),
            ));
        }
        let mut whole = Whole { bytes: vec![], _room: None };
        let read = self.read_into(&mut whole, body);
        tokio::time::timeout(self.time, read).await.unwrap_or_else(|_| {
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not come within {} seconds", self.time.as_secs_f32()),
            ))
        })?;
        if coding == "gzip" || coding == "deflate" {
            // It may become as large as any.
            self.take_room(&mut whole, self.most)?;
            let (packed, most, is_gzip) = (std::mem::take(&mut whole.bytes), self.most as u64 + 1, coding == "gzip");
            let unpacked = tokio::task::spawn_blocking(move || unpack(&packed, is_gzip, most)).await;
            whole.bytes = unpacked
                .map_err(|_| Problem::internal("unpacking the body failed"))?
                .map_err(|e| Problem::bad(format!("the body is not what Content-Encoding {coding} says: {e}")))?;
            if whole.bytes.len() > self.most {
                return Err(self.too_large());
            }
        }
        Ok(whole)
    }

    /// Takes room for what comes, not for what a client says will come.
    async fn read_into(&self, whole: &mut Whole, mut body: Body) -> Answered<()> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Problem::bad(format!("the body broke off: {e}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.bytes.len() + data.len() > self.most {
                return Err(self.too_large());
            }
            self.take_room(whole, whole.bytes.len() + data.len())?;
            whole.bytes.extend_from_slice(&data);
        }
        Ok(())
    }

    /// Takes room for so many bytes in all.
    fn take_room(&self, whole: &mut Whole, bytes: usize) -> Answered<()> {
        let held = whole._room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        // In steps, so that it is not asked for with every piece.
        let wanted = match bytes.div_ceil(UNIT) {
            n if n <= held => return Ok(()),
            n => n.max(2 * held).min(self.most.div_ceil(UNIT)),
        };
        let Ok(more) = self.room.clone().try_acquire_many_owned((wanted - held) as u32) else {
            return Err(Problem::busy(
                "there is no room for the body beside those of other requests; try again in a moment",
            ));
        };
        match &mut whole._room {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    fn too_large(&self) -> Problem {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {} bytes (--max-body); send it in parts", self.most),
        )
    }
}

/// What is packed, at most `most` bytes of it.
fn unpack(packed: &[u8], is_gzip: bool, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    match is_gzip {
        true => GzDecoder::new(packed).take(most).read_to_end(&mut bytes)?,
        false => ZlibDecoder::new(packed).take(most).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bodies: &Bodies, coding: &'static str, body: Vec<u8>) -> Answered<Vec<u8>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(bodies.read(&headers, Body::from(body))).map(|whole| whole.bytes)
    }

    #[test]
    fn bodies_are_unpacked_within_their_limit() {
        use std::io::Write;
        let bodies = Bodies::new(1 << 20, Duration::from_secs(5));
        let packed = |n: usize| {
            let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            gz.write_all(&vec![7; n]).unwrap();
            gz.finish().unwrap()
        };
        assert_eq!(of(&bodies, "gzip", packed(1 << 20)).unwrap(), vec![7; 1 << 20]);
        assert_eq!(of(&bodies, "identity", vec![1, 2]).unwrap(), [1, 2]);
        let status = |coding, body| of(&bodies, coding, body).unwrap_err().status.as_u16();
        assert_eq!(status("gzip", packed((1 << 20) + 1)), 413);
        assert_eq!(status("gzip", vec![1, 2, 3]), 400);
        assert_eq!(status("br", vec![1]), 415);
        assert_eq!(status("", vec![0; (1 << 20) + 1]), 413);
        // All room has come back.
        assert_eq!(bodies.room.available_permits(), LARGEST << 10);
    }

    #[test]
    fn there_is_room_for_some_bodies_at_a_time() {
        let bodies = Bodies::new(1 << 20, Duration::from_secs(5));
        let mut held = vec![];
        for _ in 0..LARGEST {
            let mut whole = Whole { bytes: vec![], _room: None };
            bodies.take_room(&mut whole, 1 << 20).unwrap();
            held.push(whole);
        }
        assert_eq!(of(&bodies, "", vec![1]).unwrap_err().status.as_u16(), 503);
        held.pop();
        assert_eq!(of(&bodies, "", vec![1]).unwrap(), [1]);
    }
}
