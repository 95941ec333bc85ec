//! Turns: choose which rows of a block are due, so that each has its turn again within `ceil(live / due)` calls.
//!
//! A block whose rows stay has a window that follows from the number of the call alone. Where rows are born and die, a cursor goes
//! from the last row down to the first, and begins again at the end; rows below it still wait in this round. A death closes its gap
//! with rows that come later in every round, so that nobody is put off: a row waits at most as many calls more as
//! others were born or died meanwhile. Cursors are part of the state.

use std::cmp::Ordering;
use std::ops::Range;

use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use serde::{Deserialize, Serialize};

use crate::block::{Block, BlockId, Group, Population};
use crate::digest::Saved;

/// The cursors of the blocks that need some, a list for each interval in use.
#[derive(Resource, Default, Serialize, Deserialize)]
pub(crate) struct Turns {
    rounds: Vec<Rounds>,
    /// The intervals in use, from the next tick on.
    #[serde(skip)]
    intervals: Vec<u64>,
    /// Whether a block needs a cursor at all.
    #[serde(skip)]
    is_part: bool,
}

/// The cursors of all systems that run every so many ticks.
#[derive(Serialize, Deserialize)]
struct Rounds {
    interval_ticks: u64,
    /// By [`BlockId`](crate::block::BlockId); 0 for blocks that need none.
    cursors: Vec<Cursor>,
}

/// Where a block's round is.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
struct Cursor {
    /// Where this tick's window ends: rows below have not had their turn in this round.
    low: u32,
    /// Where it began; the same if it is empty, as between ticks, or has all rows.
    high: u32,
    has_all: bool,
}

impl From<u32> for Cursor {
    fn from(at: u32) -> Self {
        Self { low: at, high: at, has_all: false }
    }
}

impl From<Cursor> for u32 {
    fn from(cursor: Cursor) -> Self {
        cursor.low
    }
}

impl Saved for Turns {
    const NAME: &'static str = "turns";
    const SINCE: u16 = 3;

    fn is_part(&self) -> bool {
        self.is_part
    }

    fn restore(&mut self, saved: Self) {
        // Those of intervals that nobody has any more go in the next tick.
        (self.rounds, self.is_part) = (saved.rounds, true);
    }
}

impl Turns {
    /// Which intervals systems have, beside that of one tick.
    pub fn set_intervals(&mut self, intervals: impl IntoIterator<Item = u64>) {
        self.intervals = intervals.into_iter().chain([1]).collect();
        self.intervals.sort_unstable();
        self.intervals.dedup();
    }

    /// Begins a tick: sets the windows of those whose turn it is.
    pub fn begin(world: &mut World, tick: u64) {
        world.resource_scope::<Self, _>(|world, mut turns| {
            let population = world.resource::<Population>();
            turns.is_part = population.groups.iter().any(|group| needs_cursors(population, group));
            if !turns.is_part {
                return;
            }
            if turns.intervals.is_empty() {
                turns.set_intervals([]);
            }
            let Self { rounds, intervals, .. } = &mut *turns;
            if !rounds.iter().map(|rounds| rounds.interval_ticks).eq(intervals.iter().copied()) {
                rounds.retain(|rounds| intervals.contains(&rounds.interval_ticks));
                for &interval_ticks in intervals.iter() {
                    if rounds.iter().all(|rounds| rounds.interval_ticks != interval_ticks) {
                        rounds.push(Rounds { interval_ticks, cursors: Vec::new() });
                    }
                }
                rounds.sort_by_key(|rounds| rounds.interval_ticks);
            }
            for rounds in rounds.iter_mut().filter(|rounds| tick.is_multiple_of(rounds.interval_ticks)) {
                rounds.begin(population);
            }
        });
    }

    /// Lets a block's rounds begin anew in the next tick: its rows are others.
    pub fn restart(&mut self, block: BlockId) {
        let cursors = self.rounds.iter_mut().filter_map(|rounds| rounds.cursors.get_mut(block.0 as usize));
        cursors.for_each(|cursor| *cursor = Cursor::default());
    }

    /// Ends a tick.
    pub fn end(&mut self) {
        for cursor in self.rounds.iter_mut().flat_map(|rounds| &mut rounds.cursors) {
            *cursor = cursor.low.into();
        }
    }

    /// The rows of a block that are due, for a system that runs every so many ticks and is called for the `turn`th time: the last
    /// ones first, then those in front.
    pub fn due(&self, population: &Population, block: &Block, interval: u64, turn: u64) -> [Range<u32>; 2] {
        let (group, live) = (population.group(block.group), block.live);
        if !needs_cursors(population, group) {
            return sliding_window(live, group.settings.load, turn);
        }
        let rounds = self.rounds.iter().find(|rounds| rounds.interval_ticks == interval);
        // A block that this tick has made has its first turn in the next one.
        let cursor = rounds.and_then(|rounds| rounds.cursors.get(block.id.0 as usize));
        let Some(&Cursor { low, high, has_all }) = cursor else { return [0..0, 0..0] };
        let (low, high) = (low.min(live), high.min(live));
        match low.cmp(&high) {
            Ordering::Equal if !has_all => [0..0, 0..0],
            Ordering::Less => [low..high, 0..0],
            _ => [low..live, 0..high],
        }
    }

    /// The rows of a block that close the gap at `row`, in turn, when a row is gone: each is put in place of the one before, and
    /// the block's last row in place of the last of them. `rows` is empty for the last row itself.
    ///
    /// Of every cursor at or below the gap, from the highest to the lowest, it is the row that it points at: it comes later in every
    /// round than the place that it takes. The cursor then lies above that place.
    pub fn close_gap(&mut self, block: BlockId, row: u32, last: u32, rows: &mut Vec<u32>) {
        rows.clear();
        let cursors = self
            .rounds
            .iter_mut()
            .filter_map(|rounds| rounds.cursors.get_mut(block.0 as usize))
            .flat_map(|cursor| [&mut cursor.low, &mut cursor.high]);
        for cursor in cursors {
            if row < last && *cursor <= row {
                rows.push(*cursor);
                *cursor += 1;
            }
            // A round that is to begin at the last row begins there whichever it is: nobody is put behind others.
            *cursor = if *cursor < last { *cursor } else { 0 };
        }
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows.dedup();
        rows.retain(|at| *at != row);
    }
}

impl Rounds {
    fn begin(&mut self, population: &Population) {
        self.cursors.resize(population.by_id.len(), Cursor::default());
        for group in population.groups.iter().filter(|group| needs_cursors(population, group)) {
            let blocks = &population.kinds[group.kind.0 as usize].blocks;
            for block in group.blocks.iter().map(|&place| &blocks[place as usize]) {
                let cursor = &mut self.cursors[block.id.0 as usize];
                let due = due_count(block.live, group.settings.load);
                let high = if cursor.low < block.live { cursor.low } else { 0 };
                // Below the first row the round begins again, at the last one.
                let low = if due <= high { high - due } else { block.live - (due - high) };
                *cursor = Cursor { low, high, has_all: due > 0 && due == block.live };
            }
        }
    }
}

/// Whether rows of the group come and go, and not all of them are due at once.
fn needs_cursors(population: &Population, group: &Group) -> bool {
    population.kinds[group.kind.0 as usize].recycled && group.settings.load < 1.0
}

/// How many rows of `live` are due at a time.
fn due_count(live: u32, load: f32) -> u32 {
    // In single precision, as 1000 * 0.7 is 700 there and 699.99 when 0.7 is widened first.
    ((live as f32 * load) as u32).max(1).min(live)
}

/// The window of a block whose rows stay: it moves on by its own length at every turn, and wraps at `live`.
fn sliding_window(live: u32, load: f32, turn: u64) -> [Range<u32>; 2] {
    let count = due_count(live, load);
    if count == 0 {
        return [0..0, 0..0];
    }
    let offset = (turn.wrapping_mul(u64::from(count)) % u64::from(live)) as u32;
    let in_back = count.min(live - offset);
    [offset..offset + in_back, 0..count - in_back]
}

#[cfg(test)]
mod tests {
    use bevy_app::App;
    use bevy_ecs::system::RunSystemOnce;
    use proptest::prelude::*;

    use super::*;
    use crate::block::GroupId;
    use crate::blocks::Blocks;
    use crate::column::{Signal, StableId};
    use crate::config::{BlockGroup, Scenario};
    use crate::interval::run_every;
    use crate::kind::{AddKind, Kind};
    use crate::populate::populate;
    use crate::rows::Rows;
    use crate::units::Tick;

    proptest! {
        #[test]
        fn every_row_of_a_block_whose_rows_stay_gets_its_turn(
            live in 1u32..500, load in 0.0f32..=1.0, start in 0u64..1_000_000
        ) {
            let count = due_count(live, load);
            prop_assert!(count >= 1 && count <= live);
            let mut seen = vec![false; live as usize];
            for turn in start..start + u64::from(live.div_ceil(count)) + 1 {
                let rows: Vec<u32> = sliding_window(live, load, turn).into_iter().flatten().collect();
                prop_assert_eq!(rows.len() as u32, count);
                rows.into_iter().for_each(|row| seen[row as usize] = true);
            }
            prop_assert!(seen.iter().all(|&s| s));
        }

        #[test]
        fn a_row_waits_no_longer_than_live_by_due_and_a_call_for_each_birth_and_death(
            load in prop_oneof![Just(0.0f32), 0.01f32..0.99],
            entities in 1u64..60,
            // What happens before and after the systems of each tick: births, and deaths of the rows at these places.
            ticks in prop::collection::vec(
                (
                    prop_oneof![9 => Just(0u64), 1 => 1u64..4],
                    prop_oneof![9 => Just(Vec::new()), 1 => prop::collection::vec(any::<prop::sample::Index>(), 1..4)],
                    any::<bool>(),
                ), 50..200)
        ) {
            check_law(load, entities, &ticks);
        }
    }

    type Churn = (u64, Vec<prop::sample::Index>, bool);

    /// What is known of a living row, for the systems of one interval.
    #[derive(Clone, Copy)]
    struct Waiting {
        calls: u64,
        /// Births and deaths since its last turn.
        churn: u64,
        /// The most rows that were alive in a call since it, and the fewest that were due.
        live_max: u64,
        due_min: u64,
    }

    const FRESH: Waiting = Waiting { calls: 0, churn: 0, live_max: 1, due_min: u64::MAX };

    fn check_law(load: f32, entities: u64, ticks: &[Churn]) {
        let mut app = App::new();
        app.add_kind(Kind::new("spark").with::<Signal>().recycled());
        let group = BlockGroup {
            id: "a".into(),
            kind: "spark".into(),
            entities,
            entities_per_block: 4096,
            load,
            ..Default::default()
        };
        populate(app.world_mut(), &Scenario { blocks: vec![group], ..Default::default() }).unwrap();
        let world = app.world_mut();
        world.insert_resource(Tick(0));
        let intervals = [1, 3];
        world.resource_mut::<Turns>().set_intervals(intervals);
        let mut waiting = vec![std::collections::BTreeMap::<u64, Waiting>::new(); 2];
        let is_before = |churn: &Churn| churn.2;
        for (tick, churn) in ticks.iter().enumerate() {
            let tick = tick as u64;
            world.insert_resource(Tick(tick));
            Turns::begin(world, tick);
            let live_at_begin = world.resource::<Population>().live() as u32;
            if is_before(churn) {
                come_and_go(world, churn, &mut waiting);
            }
            for (interval, waiting) in intervals.into_iter().zip(&mut waiting) {
                if !tick.is_multiple_of(interval) {
                    continue;
                }
                let look = |blocks: Blocks<&StableId>| {
                    let (mut all, mut due) = (Vec::new(), Vec::new());
                    let mut blocks = blocks;
                    blocks.reborrow().for_each(|ids| all.extend(ids.iter().map(|id| id.0)));
                    blocks.due().for_each(|ids| due.extend(ids.iter().map(|id| id.0)));
                    (all, due)
                };
                let (all, due) = run_every(interval, || world.run_system_once(look)).unwrap();
                let counts = (all.len() as u64, u64::from(due_count(all.len() as u32, load)));
                for id in &all {
                    let row = waiting.entry(*id).or_insert(FRESH);
                    row.calls += 1;
                    row.live_max = row.live_max.max(counts.0);
                    row.due_min = row.due_min.min(counts.1.max(1));
                }
                // Nobody has more than a turn, and what churn before the systems gave away is as much as it was.
                let churned = if is_before(churn) { churn.0 + churn.1.len() as u64 } else { 0 };
                let begun = u64::from(due_count(live_at_begin, load));
                assert!(due.len() as u64 <= begun + churned, "{} due of {begun}, tick {tick}", due.len());
                let once: std::collections::BTreeSet<&u64> = due.iter().collect();
                assert_eq!(once.len(), due.len(), "a row is due twice");
                for id in due {
                    waiting.insert(id, Waiting { live_max: counts.0, ..FRESH });
                }
                for (id, row) in waiting.iter() {
                    let limit = row.live_max.div_ceil(row.due_min) + row.churn;
                    assert!(
                        row.calls <= limit,
                        "entity {id}, every {interval} ticks, tick {tick}: {} calls, law {limit}",
                        row.calls
                    );
                }
            }
            if !is_before(churn) {
                come_and_go(world, churn, &mut waiting);
            }
            world.resource_mut::<Turns>().end();
        }
    }

    fn come_and_go(
        world: &mut World,
        (births, deaths, _): &Churn,
        waiting: &mut [std::collections::BTreeMap<u64, Waiting>],
    ) {
        let ids = |world: &mut World| {
            let list = |blocks: Blocks<&StableId>| {
                let mut all = Vec::new();
                blocks.for_each(|ids| all.extend_from_slice(ids));
                all
            };
            world.run_system_once(list).unwrap()
        };
        for death in deaths {
            let alive = ids(world);
            if alive.len() > 1 {
                let id = alive[death.index(alive.len())];
                Rows::new(world).free(id).unwrap();
                for waiting in waiting.iter_mut() {
                    waiting.remove(&id.0);
                    waiting.values_mut().for_each(|row| row.churn += 1);
                }
            }
        }
        for _ in 0..*births {
            let id = Rows::new(world).spawn(GroupId(0)).unwrap().id();
            for waiting in waiting.iter_mut() {
                waiting.values_mut().for_each(|row| row.churn += 1);
                let live_max = waiting.len() as u64 + 1;
                waiting.insert(id.0, Waiting { live_max, ..FRESH });
            }
        }
    }

    #[test]
    fn cursors_are_restored_whole_whatever_intervals_there_are_now() {
        let mut app = App::new();
        app.add_kind(Kind::new("spark").with::<Signal>().recycled());
        let group = BlockGroup {
            id: "a".into(),
            kind: "spark".into(),
            entities: 30,
            load: 0.2,
            ..Default::default()
        };
        populate(app.world_mut(), &Scenario { blocks: vec![group], ..Default::default() }).unwrap();
        let world = app.world_mut();
        world.resource_mut::<Turns>().set_intervals([1, 3]);
        for tick in 0..4 {
            Turns::begin(world, tick);
            world.resource_mut::<Turns>().end();
        }
        let bytes = |turns: &Turns| postcard::to_allocvec(turns).unwrap();
        let saved = bytes(world.resource::<Turns>());
        world.insert_resource(Turns::default());
        world.resource_mut::<Turns>().set_intervals([5]);
        world.resource_mut::<Turns>().restore(postcard::from_bytes(&saved).unwrap());
        assert_eq!(bytes(world.resource::<Turns>()), saved, "the digest of what was saved");
        let lows = |world: &World| -> Vec<(u64, u32)> {
            let rounds = &world.resource::<Turns>().rounds;
            rounds.iter().map(|rounds| (rounds.interval_ticks, rounds.cursors[0].low)).collect()
        };
        assert_eq!(lows(world), [(1, 6), (3, 18)]);
        Turns::begin(world, 5);
        assert_eq!(lows(world), [(1, 0), (5, 24)], "one goes on, the other begins");
    }

    #[test]
    fn an_empty_block_has_nothing_due() {
        assert_eq!(sliding_window(0, 0.5, 3), [0..0, 0..0]);
    }
}
