//! The options are what the command line asks for: which faults, which rounds and how many.

use crate::draws::Draws;
use crate::faults::Fault;

pub const HELP: &str = "\
Seeded faults of the servers that a run talks to, and of the run itself.

Usage: cargo test --test corec_faults -- [OPTIONS] [FILTER]

  --rounds N       rounds of each fault; a few if not given
  --fault LIST     faults by name or number, with commas: redis_kill,7
  --seed S         one round of each chosen fault, the one of this seed (hexadecimal); its folder is kept if it did not survive
  --base N         other rounds than the usual ones
  --workers N      rounds at a time; twice the processors if not given
  --json           the table as JSON as well, on the last line
  --list           the faults
  --help           this

COREC_BIN=path takes another build of the program. COREC_FAULTS_KEEP=1 keeps the folders of rounds that did not survive.
";

/// What the command line asks for.
pub struct Options {
    /// Rounds of each fault; none for a few.
    rounds: Option<u64>,
    seed: Option<u64>,
    base: u64,
    pub workers: usize,
    /// Names and numbers of faults; all if there are none.
    faults: Vec<String>,
    filters: Vec<String>,
    pub is_json: bool,
    pub is_list: bool,
    pub is_help: bool,
    /// Whether the folders of rounds that did not survive stay.
    pub keeps: bool,
}

impl Options {
    /// Reads the arguments, those of libtest's that `cargo test` hands on among them.
    ///
    /// # Errors
    /// What was found and what is allowed.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
        let mut options = Self {
            rounds: None,
            seed: None,
            base: 1,
            workers: 2 * processors,
            faults: Vec::new(),
            filters: Vec::new(),
            is_json: false,
            is_list: false,
            is_help: false,
            keeps: std::env::var_os("COREC_FAULTS_KEEP").is_some(),
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument}: needs a value"));
            let number = |text: String, radix: u32| {
                let fail = |_| format!("{argument}: found '{text}', must be a number");
                u64::from_str_radix(text.trim_start_matches("0x"), radix).map_err(fail)
            };
            match argument.as_str() {
                "--rounds" => options.rounds = Some(number(value()?, 10)?),
                "--seed" => options.seed = Some(number(value()?, 16)?),
                "--base" => options.base = number(value()?, 10)?,
                "--workers" => options.workers = number(value()?, 10)?.max(1) as usize,
                "--fault" => options.faults.extend(value()?.split(',').map(String::from)),
                "--json" => options.is_json = true,
                "--list" => options.is_list = true,
                "--help" | "-h" => options.is_help = true,
                "--test-threads" | "--format" | "--color" | "--logfile" | "--skip" | "-Z" => _ = value()?,
                flag if flag.starts_with('-') => {}
                _ => options.filters.push(argument),
            }
        }
        options.keeps |= options.seed.is_some();
        Ok(options)
    }

    /// The faults that are asked for.
    ///
    /// # Errors
    /// A name that none has.
    pub fn chosen(&self, all: &[Fault]) -> Result<Vec<Fault>, String> {
        let is = |fault: &Fault, wanted: &str| fault.name == wanted || fault.number.to_string() == wanted;
        if let Some(unknown) = self.faults.iter().find(|wanted| !all.iter().any(|fault| is(fault, wanted))) {
            let names: Vec<&str> = all.iter().map(|fault| fault.name).collect();
            return Err(format!("--fault: found '{unknown}', must be one of: {}", names.join(", ")));
        }
        let is_wanted = |fault: &&Fault| {
            let named = self.faults.is_empty() || self.faults.iter().any(|wanted| is(fault, wanted));
            let filtered =
                self.filters.is_empty() || self.filters.iter().any(|filter| fault.name.contains(filter));
            named && filtered
        };
        Ok(all.iter().filter(is_wanted).copied().collect())
    }

    /// Whether this is the short mix of a plain `cargo test`.
    pub fn is_few(&self) -> bool {
        self.rounds.is_none() && self.seed.is_none()
    }

    /// The rounds of a fault.
    pub fn seeds(&self, fault: &Fault) -> Vec<u64> {
        if let Some(seed) = self.seed {
            return vec![seed];
        }
        let count = self.rounds.unwrap_or(fault.few);
        // Another stream for each fault, so that a fault's rounds don't depend on which others there are.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let mut draws = Draws::new(fault.name.bytes().fold(self.base, mix));
        (0..count).map(|_| draws.word() >> 16).collect()
    }
}
