//! Binary: numbers and texts in PostgreSQL's binary COPY format, and which of them it has no form for.

use bytes::{BufMut, BytesMut};

const TEXT: &str = "a text has a NUL, which PostgreSQL has no form for";
const NUMBER: &str = "a number is above the column's";

pub(super) fn check_texts(texts: &[&str]) -> Result<(), &'static str> {
    if texts.iter().any(|text| text.as_bytes().contains(&0)) { Err(TEXT) } else { Ok(()) }
}

pub(super) fn check_numbers(longs: &[u64], integers: &[u32]) -> Result<(), &'static str> {
    let fits =
        longs.iter().all(|n| i64::try_from(*n).is_ok()) && integers.iter().all(|n| i32::try_from(*n).is_ok());
    if fits { Ok(()) } else { Err(NUMBER) }
}

/// A tick as the tables have it. One that does not fit has been set aside, and must not stop the cursor.
pub(super) fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

pub(super) fn put_long(to: &mut BytesMut, number: i64) {
    to.put_i32(8);
    to.put_i64(number);
}

pub(super) fn put_integer(to: &mut BytesMut, number: u32) {
    to.put_i32(4);
    to.put_u32(number);
}

pub(super) fn put_small(to: &mut BytesMut, number: i16) {
    to.put_i32(2);
    to.put_i16(number);
}

/// A number that a run could not tell is NULL.
pub(super) fn put_real(to: &mut BytesMut, number: f32) {
    if number.is_nan() {
        to.put_i32(-1);
    } else {
        to.put_i32(4);
        to.put_f32(number);
    }
}

pub(super) fn put_double(to: &mut BytesMut, number: f64) {
    if number.is_nan() {
        to.put_i32(-1);
    } else {
        to.put_i32(8);
        to.put_f64(number);
    }
}

pub(super) fn put_text(to: &mut BytesMut, text: &str) {
    to.put_i32(text.len() as i32);
    to.put_slice(text.as_bytes());
}

/// A `jsonb`: its form, 1, and the text.
pub(super) fn put_json(to: &mut BytesMut, json: &str) {
    to.put_i32(json.len() as i32 + 1);
    to.put_u8(1);
    to.put_slice(json.as_bytes());
}
