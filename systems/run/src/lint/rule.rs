//! Rules: what may make a plugin's results differ, why, what to do instead, and which names break which.

/// A rule, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The order of a hash table.
    HashOrder,
    /// A draw that is not of the seed.
    Rand,
    /// A wall clock.
    Clock,
    /// std's functions of floats.
    StdMath,
    /// What another process has otherwise.
    Process,
    /// An address.
    Address,
    /// The number or the name of a thread.
    Thread,
    /// Who is first under a lock, or in an atomic.
    LockOrder,
    /// A sum of floats in no fixed order.
    FloatSum,
    /// Commands that several threads queue at once.
    ParallelCommands,
    /// State of a system, which a restore begins anew.
    Local,
    /// State of the process.
    Static,
    /// A resource that is written and not saved.
    Unsaved,
    /// Components of plain Bevy entities, which are not saved.
    PlainEntity,
    /// Timers and run conditions that remember.
    Timer,
    /// Messages, which last for two ticks and are not saved.
    Message,
    /// A file that the journal does not have.
    File,
}

impl Rule {
    /// Its name, as `allow` wants it.
    pub fn name(self) -> &'static str {
        match self {
            Self::HashOrder => "hash_order",
            Self::Rand => "rand",
            Self::Clock => "clock",
            Self::StdMath => "std_math",
            Self::Process => "process",
            Self::Address => "address",
            Self::Thread => "thread",
            Self::LockOrder => "lock_order",
            Self::FloatSum => "float_sum",
            Self::ParallelCommands => "parallel_commands",
            Self::Local => "local",
            Self::Static => "static",
            Self::Unsaved => "unsaved",
            Self::PlainEntity => "plain_entity",
            Self::Timer => "timer",
            Self::Message => "message",
            Self::File => "file",
        }
    }

    /// Why it is one, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::HashOrder => "its order changes from run to run: BTreeMap, BTreeSet, or a Vec by index",
            Self::Rand => "is not of the seed: Draws::new(seed, \"purpose\").words(id, tick, draw)",
            Self::Clock => "a wall clock is another in every run: Res<Tick>, Res<Time>",
            Self::StdMath => {
                "std's bits may differ between builds and machines: corec::prelude::maths, or the crate libm"
            }
            Self::Process => "is another in another process, as after a restore: a key of config.json",
            Self::Address => {
                "an address, and a row's Entity, may be another in every run: StableId, or an index"
            }
            Self::Thread => "follows from the number of threads: block ids, par_fold_blocks",
            Self::LockOrder => {
                "who is first follows from threads: an item for each block (par_fold_blocks, reduce), folded in their order"
            }
            Self::FloatSum => {
                "a sum of floats in no fixed order: Blocks::reduce folds in the order of blocks"
            }
            Self::ParallelCommands => {
                "the order of what is queued follows from threads: collect by block, then one Commands"
            }
            Self::Local => "starts anew after a restore: a saved resource; fine for room that is used again",
            Self::Static => "outlives a run, and starts anew in another process: a saved resource",
            Self::Unsaved => "is written and starts anew after a restore: impl Saved and app.save_resource",
            Self::PlainEntity => "a plain entity is in no snapshot: a column of a kind, or a saved resource",
            Self::Timer => {
                "what it remembers starts anew after a restore: `interval` in config.json, or reckon from Res<Tick>"
            }
            Self::Message => {
                "what is not read in its own tick is lost in a restore: write it before it is read, or use channels"
            }
            Self::File => "the journal does not have it: PluginDirs reads and writes files",
        }
    }
}

/// The rule that a path breaks by its names alone.
pub(super) fn rule_of(names: &[&str]) -> Option<Rule> {
    let (last, before) = names.split_last()?;
    let owner = before.last().copied().unwrap_or_default();
    let is_in = |crates: &[&str]| crates.contains(&names[0]) && names.len() > 1;
    Some(match *last {
        // Bevy's have a fixed order for the same history of inserts.
        _ if is_in(&["bevy_platform", "indexmap"]) => return None,
        "HashMap" | "HashSet" => Rule::HashOrder,
        _ if matches!(owner, "HashMap" | "HashSet") => Rule::HashOrder,
        "RandomState" | "thread_rng" | "ThreadRng" | "OsRng" => Rule::Rand,
        _ if is_in(&["rand", "fastrand", "getrandom", "uuid", "nanorand"]) => Rule::Rand,
        "now" if matches!(owner, "Instant" | "SystemTime" | "Utc" | "Local" | "Zoned" | "Timestamp") => {
            Rule::Clock
        }
        "now_utc" | "now_local" => Rule::Clock,
        "Real" if owner.is_empty() || owner == "bevy_time" => Rule::Clock,
        "id" if owner == "process" => Rule::Process,
        "var" | "var_os" | "vars" | "args" | "current_dir" | "temp_dir" if owner == "env" => Rule::Process,
        "current" if owner == "thread" => Rule::Thread,
        "ThreadId" | "current_num_threads" | "current_thread_index" | "available_parallelism" => Rule::Thread,
        "ParallelCommands" => Rule::ParallelCommands,
        "Local" if owner.is_empty() || owner == "prelude" || owner == "system" => Rule::Local,
        "on_timer"
        | "on_real_timer"
        | "once_after_delay"
        | "once_after_real_delay"
        | "repeating_after_delay"
        | "run_once"
        | "resource_changed"
        | "resource_changed_or_removed"
        | "resource_added"
        | "resource_exists_and_changed"
        | "any_component_removed"
        | "Changed"
        | "Added"
        | "Timer"
        | "Stopwatch"
        | "on_message" => Rule::Timer,
        "MessageReader" | "PopulatedMessageReader" | "MessageMutator" => Rule::Message,
        _ if owner == "fs" || matches!(owner, "File" | "OpenOptions") => Rule::File,
        _ if matches!(owner, "f32" | "f64") && is_std_math(last) => Rule::StdMath,
        "from_ref" | "from_mut" | "addr_of" if owner == "ptr" => Rule::Address,
        _ => return None,
    })
}

/// Functions of floats whose bits std leaves open; `sqrt` is exact.
pub(super) fn is_std_math(name: &str) -> bool {
    const NAMES: &str = "exp exp2 exp_m1 ln ln_1p log log2 log10 powf powi sin cos tan sin_cos asin acos atan atan2 sinh cosh \
                         tanh asinh acosh atanh cbrt hypot mul_add";
    NAMES.split_whitespace().any(|known| known == name)
}
