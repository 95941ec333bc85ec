//! Decoded: what the bytes of an entry are, as far as they tell by themselves.
//!
//! A program knows the form of a message by its stream. People who look at any stream have only the bytes: a frame has its first four,
//! JSON is JSON, and a record of 10 bytes ends in a 0 or a 1, which no JSON does.

use std::fmt::{self, Write};

use corec_core::message::{Frame, FrameColumn, MessageError, Record};
use corec_core::units::grouped;
use serde_json::{Value, json};

/// Bytes that are shown of what is nothing else.
const BYTES_SHOWN: usize = 32;
/// Blocks of repairs that are shown by name.
const REPAIRS_SHOWN: usize = 5;
/// The keys that an alert has, and nothing else that is said.
const ALERT: [&str; 5] = ["name", "subject", "severity", "state", "tick"];

/// What an entry holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// A record v1.
    Record(Record),
    /// A frame, and the mean of its column `value`, if it has one.
    Frame(Box<Frame>, Option<f64>),
    /// An alert.
    Alert(Value),
    /// The repairs of a tick.
    Repairs(Value),
    /// Any other JSON, on one line, as it was written.
    Json(String),
    /// Something else: how many bytes, the first of them, and why it is none of the others.
    Bytes(usize, Vec<u8>, String),
    /// No field `data`, or one that is too long.
    Nothing,
}

impl Decoded {
    /// What `data` is.
    pub fn of(data: Option<&[u8]>) -> Self {
        let Some(data) = data else { return Self::Nothing };
        if Frame::is_one(data) {
            return match Frame::decode(data) {
                Ok(frame) => {
                    let mean = frame.columns.iter().find(|column| column.name == "value").and_then(mean);
                    Self::Frame(Box::new(frame), mean)
                }
                Err(error) => Self::bytes(data, &error),
            };
        }
        if data.first().is_some_and(|byte| b"{[\" \t\r\n".contains(byte))
            && let Ok(value) = serde_json::from_slice::<Value>(data)
        {
            let is_alert = value.is_object() && ALERT.iter().all(|key| !value[key].is_null());
            return match value {
                value if is_alert => Self::Alert(value),
                value if are_repairs(&value) => Self::Repairs(value),
                _ => Self::Json(compact(data)),
            };
        }
        Record::decode(data).map_or_else(|error| Self::bytes(data, &error), Self::Record)
    }

    fn bytes(data: &[u8], why: &MessageError) -> Self {
        Self::Bytes(data.len(), data[..data.len().min(BYTES_SHOWN)].to_vec(), why.to_string())
    }

    /// As JSON: `form`, and what belongs to it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Record(Record { id, channel, value, is_active }) => {
                json!({ "form": "record", "id": id, "channel": channel.0, "value": value, "active": is_active })
            }
            Self::Frame(frame, mean) => json!({
                "form": "frame", "instance": frame.instance, "kind": frame.kind, "first_block": frame.first_block,
                "blocks": frame.blocks, "epoch": frame.epoch, "tick": frame.tick, "sequence": frame.sequence, "count": frame.count,
                "columns": frame.columns.iter().map(|column| &column.name).collect::<Vec<_>>(), "value_mean": mean,
            }),
            Self::Alert(alert) => json!({ "form": "alert", "alert": alert }),
            Self::Repairs(repairs) => json!({ "form": "repairs", "repairs": repairs }),
            Self::Json(text) => {
                json!({ "form": "json", "json": serde_json::from_str::<Value>(text).unwrap_or_default() })
            }
            Self::Bytes(bytes, first, why) => {
                json!({ "form": "bytes", "bytes": bytes, "first": hex(first), "why": why })
            }
            Self::Nothing => json!({ "form": "nothing" }),
        }
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(Record { id, channel, value, is_active }) => {
                let active = if *is_active { "active" } else { "inactive" };
                write!(f, "record: id {id}, channel {}, value {value}, {active}", channel.0)
            }
            Self::Frame(frame, mean) => {
                let names: Vec<&str> = frame.columns.iter().map(|column| &*column.name).collect();
                let last = frame.first_block.saturating_add(frame.blocks.saturating_sub(1));
                write!(
                    f,
                    "frame: {}, kind {}, blocks {}..={last}, tick {}, {} entities, columns {}",
                    frame.instance,
                    frame.kind,
                    frame.first_block,
                    frame.tick,
                    grouped(frame.count.into()),
                    names.join(" ")
                )?;
                mean.map_or(Ok(()), |mean| write!(f, ", mean of value {mean:.6}"))
            }
            Self::Alert(alert) => {
                let text =
                    |key: &str| alert[key].as_str().map_or_else(|| alert[key].to_string(), String::from);
                write!(f, "alert {}: {} of {}", text("state"), text("name"), text("subject"))?;
                write!(f, ", value {}, severity {}, tick {}", text("value"), text("severity"), text("tick"))?;
                alert["why"].as_str().map_or(Ok(()), |why| write!(f, ": {why}"))
            }
            Self::Repairs(said) => write_repairs(f, said),
            Self::Json(text) => f.write_str(text),
            Self::Bytes(bytes, first, why) => {
                let dots = if first.len() < *bytes { " .." } else { "" };
                write!(f, "{bytes} bytes: {}{dots} ({why})", hex(first))
            }
            Self::Nothing => f.write_str("no data (no field `data`, or more than 16 MiB)"),
        }
    }
}

/// What every list of repairs has; one without any record is not sent.
fn are_repairs(value: &Value) -> bool {
    let is_one = |record: &Value| record["entities"].is_array() && record["cause"].is_string();
    value["repairs"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_one))
}

fn write_repairs(f: &mut fmt::Formatter<'_>, said: &Value) -> fmt::Result {
    let all: &[Value] = said["repairs"].as_array().map_or(&[], |all| all);
    let count = |record: &Value| record["entities"].as_array().map_or(0, Vec::len);
    let entities: usize = all.iter().map(count).sum();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
    let (instance, tick) = (text(&said["instance"]), &said["tick"]);
    write!(f, "repairs: {instance}, tick {tick}, {} entities:", grouped(entities as u64))?;
    for record in all.iter().take(REPAIRS_SHOWN) {
        write!(f, " {} {} ({})", text(&record["name"]), count(record), text(&record["cause"]))?;
    }
    if all.len() > REPAIRS_SHOWN {
        write!(f, " and {} more", all.len() - REPAIRS_SHOWN)?;
    }
    Ok(())
}

fn mean(column: &FrameColumn) -> Option<f64> {
    let (values, rest) = column.bytes.as_chunks::<4>();
    let is_f32 = column.size == 4 && rest.is_empty() && !values.is_empty();
    let sum: f64 = values.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).sum();
    is_f32.then(|| sum / values.len() as f64)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        // A text takes what is written.
        _ = write!(text, "{}{byte:02x}", if at == 0 { "" } else { " " });
    }
    text
}

/// JSON without what stands between its parts; numbers and texts stay as they were written.
fn compact(json: &[u8]) -> String {
    let (mut out, mut is_text, mut is_escaped) = (Vec::with_capacity(json.len()), false, false);
    for byte in json {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' if !is_text => continue,
            b'"' if !is_escaped => is_text = !is_text,
            _ => {}
        }
        is_escaped = *byte == b'\\' && !is_escaped;
        out.push(*byte);
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use corec_core::units::ChannelId;

    use super::*;

    #[test]
    fn bytes_are_told_apart() {
        let record = Record { id: 7, channel: ChannelId(-2), value: 0.5, is_active: true };
        let line = |data: &[u8]| Decoded::of(Some(data)).to_string();
        assert_eq!(line(&record.encode()), "record: id 7, channel -2, value 0.5, active");
        assert_eq!(line(b"{ \"a\" : 1.50,\n \"b\\\"\": [ \"x  y\" ] }"), r#"{"a":1.50,"b\"":["x  y"]}"#);
        assert_eq!(line(b"{\"a\":1234}").len(), 10, "10 bytes of JSON are no record");
        assert_eq!(line(b"\x1b[2J"), "4 bytes: 1b 5b 32 4a (record: found 4 bytes, must be 10)");
        let alert = br#"{"instance":"c","epoch":0,"tick":12,"sequence":3,"name":"hot","subject":"s/7","value":0.91,"severity":2,"state":"raised"}"#;
        assert_eq!(line(alert), "alert raised: hot of s/7, value 0.91, severity 2, tick 12");
        let alert = br#"{"instance":"c","epoch":0,"tick":12,"sequence":3,"name":"hot","subject":"s/7","value":0.91,"severity":2,"state":"raised","why":"mean +9"}"#;
        assert_eq!(line(alert), "alert raised: hot of s/7, value 0.91, severity 2, tick 12: mean +9");
        let one = r#"{"block":7,"name":"s/7","cause":"flag","entities":[1,2],"replaced":[null,102],"parents":[3,null]}"#;
        let repairs = |times: usize| {
            let all = vec![one; times].join(",");
            line(format!(r#"{{"instance":"c","epoch":0,"tick":12,"repairs":[{all}]}}"#).as_bytes())
        };
        assert_eq!(repairs(2), "repairs: c, tick 12, 4 entities: s/7 2 (flag) s/7 2 (flag)");
        assert!(repairs(1000).ends_with(
            "2,000 entities: s/7 2 (flag) s/7 2 (flag) s/7 2 (flag) s/7 2 (flag) s/7 2 (flag) and 995 more"
        ));
        assert!(repairs(0).starts_with('{'), "{}", repairs(0));
        assert!(line(b"CRCF\x02").contains("43 52 43 46 02 (frame: "), "{}", line(b"CRCF\x02"));
        assert_eq!(Decoded::of(None).to_json()["form"], "nothing");
        let long = Decoded::of(Some(&[9; 100])).to_json();
        assert_eq!((&long["bytes"], long["first"].as_str().map(str::len)), (&100.into(), Some(95)));
    }

    #[test]
    fn a_frame_has_its_mean() {
        let values: Vec<u8> = [0.5f32, 0.0, 1.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let column = FrameColumn { name: "value".into(), size: 4, bytes: values };
        let frame = Frame {
            instance: "corec1".into(),
            kind: "cell".into(),
            first_block: 3,
            blocks: 2,
            epoch: 0,
            tick: 5,
            sequence: 1,
            count: 3,
            columns: vec![column],
        };
        let said = Decoded::of(Some(&frame.encode())).to_string();
        assert_eq!(
            said,
            "frame: corec1, kind cell, blocks 3..=4, tick 5, 3 entities, columns value, mean of value 0.500000"
        );
    }
}
