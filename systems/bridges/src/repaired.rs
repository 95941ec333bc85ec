//! Repaired: what was repaired, as streams and stores have it.
//!
//! A record's entities are three lists of one length: who lives in the row now, whom it replaces, whom it inherits from. The stream has an entry
//! a tick, with all of its records, and more of them where it would be too large.

use corec_core::block::BlockId;
use corec_core::outputs::{ENGINE, Outputs};
use corec_core::repairs::{RepairRecord, RepairedEntity};
use corec_core::units::{Epoch, Tick};
use serde::{Serialize, Serializer};

/// The stream of repairs.
pub const REPAIR_STREAM: &str = "reparaciones";
/// Bytes of an entry before the next one is begun. A record is never cut: one of a block of 4096 entities has about half of it.
const ENTRY_BYTES: usize = 256 << 10;

/// A list of a record: one id for each of its entities, or none.
pub(crate) struct Ids<'r>(&'r [RepairedEntity], fn(&RepairedEntity) -> Option<u64>);

impl Serialize for Ids<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(self.1))
    }
}

/// Who lives in the rows of a record, whom they replace, whom they inherit from.
pub(crate) fn lists(record: &RepairRecord) -> [Ids<'_>; 3] {
    let all = &record.entities;
    [Ids(all, |each| Some(each.entity)), Ids(all, |each| each.replaced), Ids(all, |each| each.parent)]
}

/// The lists as JSON.
pub(crate) fn lists_json(record: &RepairRecord) -> [String; 3] {
    lists(record).map(|ids| serde_json::to_string(&ids).expect("ids are numbers"))
}

/// A record, as an entry has it.
#[derive(Serialize)]
struct Told<'r> {
    block: u32,
    name: String,
    cause: &'static str,
    entities: Ids<'r>,
    replaced: Ids<'r>,
    parents: Ids<'r>,
}

/// What every entry of a tick begins with.
pub(crate) fn head(instance: &str, epoch: Epoch, tick: Tick) -> String {
    let instance = serde_json::to_string(instance).expect("a text has a form");
    format!(r#"{{"instance":{instance},"epoch":{},"tick":{},"repairs":["#, epoch.0, tick.0)
}

/// Gives `send` the entries of a tick. `name` is asked for that of a block.
pub(crate) fn entries(
    head: &str,
    records: &[RepairRecord],
    name: &impl Fn(BlockId) -> String,
    send: &mut impl FnMut(&[u8]),
) {
    let (mut entry, mut json) = (head.as_bytes().to_vec(), Vec::new());
    let mut finish = |entry: &mut Vec<u8>| {
        entry.extend_from_slice(b"]}");
        send(entry);
        entry.truncate(head.len());
    };
    for record in records {
        let [entities, replaced, parents] = lists(record);
        let (block, cause) = (record.block, record.cause.as_str());
        let name = name(BlockId(block));
        json.clear();
        serde_json::to_writer(&mut json, &Told { block, name, cause, entities, replaced, parents })
            .expect("a vector takes all there is");
        if entry.len() > head.len() {
            if entry.len() + json.len() > ENTRY_BYTES {
                finish(&mut entry);
            } else {
                entry.push(b',');
            }
        }
        entry.extend_from_slice(&json);
    }
    if entry.len() > head.len() {
        finish(&mut entry);
    }
}

/// Notes what is said of a tick's repairs, its bytes put together in `bytes`: however they are cut into entries, and without the epoch, as alerts.
pub(crate) fn note(outputs: &mut Outputs, bytes: &mut Vec<u8>, tick: u64, records: &[RepairRecord]) {
    bytes.clear();
    let mut put = |id: Option<u64>| {
        bytes.push(u8::from(id.is_some()));
        bytes.extend_from_slice(&id.unwrap_or(0).to_le_bytes());
    };
    for record in records {
        put(Some(u64::from(record.block) << 8 | record.cause as u64));
        put(Some(record.entities.len() as u64));
        for RepairedEntity { entity, replaced, parent } in &record.entities {
            put(Some(*entity));
            put(*replaced);
            put(*parent);
        }
    }
    outputs.note(ENGINE, REPAIR_STREAM, tick, &[bytes]);
}

#[cfg(test)]
mod tests {
    use corec_core::repairs::RepairCause;
    use serde_json::Value;

    use super::*;

    fn record(block: u32, entities: std::ops::Range<u64>) -> RepairRecord {
        let repaired = |entity: u64| RepairedEntity {
            entity,
            replaced: entity.is_multiple_of(2).then_some(entity + 100),
            parent: (!entity.is_multiple_of(2)).then_some(3),
        };
        RepairRecord { tick: 5, block, cause: RepairCause::Flag, entities: entities.map(repaired).collect() }
    }

    fn said(records: &[RepairRecord]) -> Vec<String> {
        let mut said = Vec::new();
        let head = head("c\"1", Epoch(2), Tick(5));
        let name = |block: BlockId| format!("swarm/{}", block.0);
        entries(&head, records, &name, &mut |entry| said.push(String::from_utf8(entry.to_vec()).unwrap()));
        said
    }

    #[test]
    fn an_entry_has_all_that_was_repaired_in_a_tick() {
        assert!(said(&[]).is_empty());
        let one = r#"{"block":7,"name":"swarm/7","cause":"flag","entities":[1,2],"replaced":[null,102],"parents":[3,null]}"#;
        let two =
            r#"{"block":9,"name":"swarm/9","cause":"flag","entities":[4],"replaced":[104],"parents":[null]}"#;
        let wanted = format!(r#"{{"instance":"c\"1","epoch":2,"tick":5,"repairs":[{one},{two}]}}"#);
        assert_eq!(said(&[record(7, 1..3), record(9, 4..5)]), [wanted]);
    }

    #[test]
    fn a_large_tick_has_several_entries_and_each_record_once() {
        let large = 1u64 << 60;
        let records: Vec<_> = (0..40).map(|block| record(block, large..large + 1000)).collect();
        let said = said(&records);
        assert!(said.len() > 5 && said.iter().all(|entry| entry.len() <= ENTRY_BYTES + 2), "{}", said.len());
        let entries = said.iter().map(|entry| serde_json::from_str::<Value>(entry).unwrap());
        let blocks: Vec<u64> = entries
            .flat_map(|entry| entry["repairs"].as_array().unwrap().clone())
            .map(|told| told["block"].as_u64().unwrap())
            .collect();
        assert_eq!(blocks, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn the_digest_of_what_is_said_has_every_id() {
        let digest = |record: RepairRecord| {
            let mut outputs = Outputs::default();
            note(&mut outputs, &mut Vec::new(), 5, &[record]);
            outputs.value()
        };
        let all: Vec<u64> = (0..6)
            .map(|change| {
                let mut record = record(7, 1..3);
                match change {
                    1 => record.block = 8,
                    2 => record.cause = RepairCause::Faults,
                    3 => record.entities[1].entity = 9,
                    4 => record.entities[1].replaced = None,
                    5 => record.entities[1].parent = Some(0),
                    _ => {}
                }
                digest(record)
            })
            .collect();
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 6, "{all:?}");
    }
}
