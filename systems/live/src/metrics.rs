//! Metrics: a picture of a run as Prometheus scrapes it.
//!
//! Names end in their unit, counters in `_total`; the labels are those of kinds, groups, systems, plugins and lanes, never of blocks
//! or entities, so that a scrape is as long at a thousand blocks as at one.

mod families;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use corec_run::rss_bytes;
use corec_run::view::{BUCKETS, PluginState, View};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::process::{cpu_seconds, folder_bytes, open_fds};
use crate::ready::Readiness;
use crate::told::{PluginsTold, SystemTold, group_sums, lanes, systems};
use families::Families;

/// Upper bounds of the buckets of fitness and of fault ratios.
const FITNESS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
const FAULT_RATIO: [f64; 10] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// The form in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' own text, version 0.0.4.
    Text,
}

impl Form {
    /// What a client that sends this header `Accept` takes.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// What the server itself has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpCounts {
    /// Viewers of the stream.
    pub viewers: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Requests so far.
    pub requests: u64,
    /// Connections and requests that were refused: there were too many.
    pub refused: u64,
    /// When it was started.
    pub started: Option<SystemTime>,
    /// For how long the run has given no picture to those who asked.
    pub stuck: Duration,
}

/// Writes the metrics of a picture.
pub fn write(view: &Arc<View>, http: HttpCounts, form: Form) -> String {
    #[derive(Debug)]
    struct Picture(Arc<View>, HttpCounts, Form);
    impl Collector for Picture {
        fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
            encode(&self.0, self.1, Families { to: encoder, form: self.2 })
        }
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Picture(Arc::clone(view), http, form)));
    let mut out = String::new();
    let written = match form {
        Form::OpenMetrics => text::encode(&mut out, &registry),
        Form::Text => prometheus_text::encode(&mut out, &registry),
    };
    written.expect("a string takes whatever is written");
    out
}

fn encode(view: &View, http: HttpCounts, mut to: Families) -> fmt::Result {
    let run = &view.run;
    to.info("corec_build", "The program", &[("version", env!("CARGO_PKG_VERSION"))])?;
    let about = [("run", &run.id[..]), ("scenario", &run.scenario), ("instance", &run.instance)];
    to.info("corec_run", "The run", &about)?;
    // Before there is a picture zeros would be taken for what the run has counted.
    if view.made.is_some() {
        ticks(view, &mut to)?;
        costs(view, &mut to)?;
        population(view, &mut to)?;
        alerts(view, &mut to)?;
        outside(view, &mut to)?;
    }
    let ready = u64::from(Readiness::of(view, http.stuck).is_ready());
    to.gauge(
        "corec_ready",
        "Whether the run takes in and its bridges are up: /ready says why not",
        ready as f64,
    )?;
    to.gauge("corec_http_viewers", "Viewers of the stream", http.viewers as f64)?;
    to.gauge("corec_http_connections", "Connections that are open", http.connections as f64)?;
    to.counter("corec_http_requests", "Requests", http.requests as f64)?;
    to.counter("corec_http_refused", "Connections and requests that were refused", http.refused as f64)?;
    process(view, http, &mut to)
}

fn ticks(view: &View, to: &mut Families) -> fmt::Result {
    let times = &view.times;
    to.gauge("corec_tick", "Finished ticks of the run, whoever ran it", view.tick as f64)?;
    to.counter("corec_ticks", "Finished ticks of this process", (view.tick - view.run.before.ticks) as f64)?;
    let buckets: Vec<(f64, u64)> = BUCKETS.into_iter().zip(times.buckets).collect();
    let help = "How long ticks took, without what is done between them";
    to.histogram("corec_tick_duration_seconds", help, &buckets, times.count, times.sum)?;
    let percentiles = [("50", times.p50), ("95", times.p95), ("99", times.p99)];
    let percentiles = percentiles.map(|(percentile, seconds)| ([("percentile", percentile)], seconds));
    let help = "What a share of the last 1024 ticks took at most";
    to.gauges("corec_tick_duration_recent_seconds", help, &percentiles)?;
    if let Some(rate) = view.tick_rate {
        to.gauge("corec_tick_rate_target_hertz", "Ticks a second that the run is paced to", rate)?;
    }
    let help = "Ticks that began after the next one was due";
    to.counter("corec_tick_deadline_misses", help, view.deadline_misses as f64)?;
    let digest = view.digest.map_or(0, |(tick, _)| tick);
    to.gauge("corec_digest_tick", "The tick of the last digest", digest as f64)
}

fn costs(view: &View, to: &mut Families) -> fmt::Result {
    // Two of one name in one phase are one series.
    let mut systems = systems(view, usize::MAX);
    systems.sort_by(|a, b| series(a).cmp(&series(b)));
    systems.dedup_by(|again, first| {
        let is_same = series(again) == series(first);
        if is_same {
            (first.seconds, first.calls) = (first.seconds + again.seconds, first.calls + again.calls);
        }
        is_same
    });
    let mut phases: Vec<(&str, f64)> = Vec::new();
    for system in &systems {
        match phases.iter_mut().find(|(phase, _)| *phase == system.phase) {
            Some((_, seconds)) => *seconds += system.seconds,
            None => phases.push((&system.phase, system.seconds)),
        }
    }
    let labels = |at: usize| {
        let system = &systems[at];
        let plugin = system.plugin.as_deref().unwrap_or_default();
        [("system", &system.name[..]), ("phase", &system.phase[..]), ("plugin", plugin)]
    };
    let each = |value: fn(f64, u64) -> f64| -> Vec<_> {
        systems.iter().enumerate().map(|(at, s)| (labels(at), value(s.seconds, s.calls))).collect()
    };
    to.counters("corec_system_seconds", "Time of each system", &each(|seconds, _| seconds))?;
    to.counters("corec_system_calls", "Calls of each system", &each(|_, calls| calls as f64))?;
    let phases: Vec<_> = phases.into_iter().map(|(phase, seconds)| ([("phase", phase)], seconds)).collect();
    to.counters("corec_phase_seconds", "Time of the systems of each phase", &phases)?;

    let plugins = PluginsTold::of(view).plugins;
    let each = |value: fn(&crate::told::PluginTold) -> f64| -> Vec<_> {
        plugins.iter().map(|plugin| ([("plugin", &plugin.name[..])], value(plugin))).collect()
    };
    to.counters("corec_plugin_seconds", "Time of the systems of each plugin", &each(|p| p.seconds))?;
    to.counters("corec_plugin_errors", "Failures of each plugin's systems", &each(|p| p.errors as f64))?;
    let help = "Memory of the rows of each plugin's kinds";
    to.gauges("corec_plugin_memory_bytes", help, &each(|p| p.memory_bytes as f64))?;
    let states = [PluginState::Running, PluginState::Paused, PluginState::Stopped].map(PluginState::as_str);
    let states: Vec<_> = plugins
        .iter()
        .flat_map(|plugin| {
            let is = move |state: &str| f64::from(u8::from(plugin.state == state));
            states.map(|state| ([("plugin", &plugin.name[..]), ("state", state)], is(state)))
        })
        .collect();
    to.gauges("corec_plugin_state", "1 for what each plugin is doing, 0 for what it is not", &states)
}

fn series(system: &SystemTold) -> (&str, &str, Option<&str>) {
    (&system.name, &system.phase, system.plugin.as_deref())
}

fn population(view: &View, to: &mut Families) -> fmt::Result {
    let each = |value: fn(u64, u64) -> u64| -> Vec<_> {
        let kinds = view.kinds.iter();
        kinds
            .map(|(name, entities, blocks, _)| ([("kind", &name[..])], value(*entities, *blocks) as f64))
            .collect()
    };
    to.gauges("corec_entities", "Live entities", &each(|entities, _| entities))?;
    to.gauges("corec_blocks", "Blocks", &each(|_, blocks| blocks))?;
    let groups = group_sums(view);
    let entities: Vec<_> = groups.iter().map(|g| ([("group", &g.name[..])], g.live as f64)).collect();
    to.gauges("corec_group_entities", "Live entities of each group", &entities)?;
    let measured = |value: fn(&crate::told::GroupSums) -> Option<f64>| -> Vec<_> {
        groups.iter().filter_map(|g| Some(([("group", &g.name[..])], value(g)?))).collect()
    };
    to.gauges(
        "corec_group_fitness",
        "Mean fitness of each group",
        &measured(crate::told::GroupSums::fitness),
    )?;
    let fault_ratios = measured(crate::told::GroupSums::fault_ratio);
    to.gauges("corec_group_fault_ratio", "Inactive share of each group", &fault_ratios)?;
    let blocks = view.layout.blocks.iter().filter_map(|(id, ..)| view.blocks.get(id.0 as usize));
    let measured = blocks.filter(|block| block.is_measured == 1);
    let help = "Blocks by fitness as they are now: not to be taken the rate of";
    to.histogram_of("corec_block_fitness", help, &FITNESS, measured.clone().map(|b| b.fitness.into()))?;
    let help = "Blocks by fault ratio as they are now: not to be taken the rate of";
    to.histogram_of("corec_block_fault_ratio", help, &FAULT_RATIO, measured.map(|b| b.fault_ratio.into()))?;
    if let Some(fitness) = view.totals.fitness_end {
        to.gauge("corec_fitness", "Mean fitness over live entities", fitness)?;
    }
    // Of this process, as all counters are: a restore would set them back to its snapshot, which is taken for what was counted anew.
    let (now, before) = (&view.totals, &view.run.before.totals);
    let help_lost = "Messages that were gone before they could be read";
    for (name, help, value, before) in [
        ("corec_entity_updates", "Entity updates", now.entity_updates, before.entity_updates),
        ("corec_faults", "Entities that became inactive", now.faults, before.faults),
        ("corec_repairs", "Entities that were repaired", now.repairs, before.repairs),
        (
            "corec_births_refused",
            "Births that memory_max refused",
            view.births_refused,
            view.run.before.births_refused,
        ),
        ("corec_audits", "Audits", view.audits, 0),
        ("corec_messages", "Messages taken in", now.messages, before.messages),
        (
            "corec_messages_refused",
            "Messages that could not be applied",
            now.messages_refused,
            before.messages_refused,
        ),
        ("corec_messages_lost", help_lost, now.messages_lost, before.messages_lost),
    ] {
        to.counter(name, help, value.saturating_sub(before) as f64)?;
    }
    to.gauge("corec_flagged_blocks", "Blocks that are flagged", view.flagged.len() as f64)
}

fn alerts(view: &View, to: &mut Families) -> fmt::Result {
    let raised = view.alerts_raised.saturating_sub(view.run.before.alerts);
    to.counter("corec_alerts", "Alerts raised", raised as f64)?;
    let severities = ["unknown", "1", "2", "3", "4", "5"];
    let open = severities.into_iter().zip(view.alerts_open);
    // Of those that were raised before a restore, and of more than 10,000, that is not known.
    let open = open.filter(|(severity, count)| *count > 0 || *severity != "unknown");
    let open: Vec<_> = open.map(|(severity, count)| ([("severity", severity)], count as f64)).collect();
    to.gauges("corec_alerts_open", "Alerts that are up; severity 1 is the most urgent", &open)
}

fn outside(view: &View, to: &mut Families) -> fmt::Result {
    let lanes = lanes(view);
    let each = |value: fn(&crate::told::LaneTold) -> f64| -> Vec<_> {
        lanes.iter().map(|lane| ([("lane", &lane.name[..])], value(lane))).collect()
    };
    to.gauges(
        "corec_lane_up",
        "Whether the far side can be reached",
        &each(|l| f64::from(u8::from(l.away.is_none()))),
    )?;
    to.gauges("corec_lane_waiting", "Items on their way", &each(|l| l.waiting as f64))?;
    to.gauges(
        "corec_lane_lag",
        "Entries that came and were not given to the run yet",
        &each(|l| l.lag as f64),
    )?;
    to.gauges(
        "corec_lane_pending",
        "Entries that are not known to be in the journal",
        &each(|l| l.pending as f64),
    )?;
    to.gauges("corec_lane_spooled", "Items that wait on disk", &each(|l| l.spooled as f64))?;
    to.gauges("corec_lane_spool_bytes", "Bytes that they take there", &each(|l| l.spool_bytes as f64))?;
    to.counters("corec_lane_sent", "Items that the far side has", &each(|l| l.sent as f64))?;
    to.counters("corec_lane_dropped", "Items that a policy let go", &each(|l| l.dropped as f64))?;
    to.counters("corec_lane_lost", "Items that were lost", &each(|l| l.lost as f64))?;
    to.counters("corec_lane_outages", "Times that the far side was away", &each(|l| l.outages as f64))?;
    to.counters("corec_lane_away_seconds", "For how long it was away", &each(|l| l.away_seconds))?;
    to.gauge("corec_journal_bytes", "Bytes of the journal's files", folder_bytes(&view.run.journal) as f64)?;
    let records = view.journal_records.saturating_sub(view.run.before.journal_records);
    to.counter("corec_journal_records", "Records of the journal", records as f64)?;
    let snapshots = &view.snapshots;
    to.counter("corec_snapshots", "Snapshots of this process", snapshots.written as f64)?;
    let is_failing = u8::from(snapshots.error.is_some());
    to.gauge("corec_snapshot_failing", "Whether the last snapshot could not be made", is_failing.into())?;
    let Some((tick, at, bytes)) = snapshots.last else { return Ok(()) };
    to.gauge("corec_snapshot_age_seconds", "Age of the last snapshot", at.elapsed().as_secs_f64())?;
    to.gauge("corec_snapshot_bytes", "Its bytes", bytes as f64)?;
    to.gauge("corec_snapshot_tick", "Its tick", tick as f64)
}

fn process(view: &View, http: HttpCounts, to: &mut Families) -> fmt::Result {
    let rss = rss_bytes() as f64;
    if view.entities > 0 {
        to.gauge(
            "corec_entity_memory_bytes",
            "Resident memory by live entities",
            rss / view.entities as f64,
        )?;
    }
    to.gauge("process_resident_memory_bytes", "Resident memory", rss)?;
    to.counter("process_cpu_seconds", "Processor time", cpu_seconds())?;
    to.gauge("process_open_fds", "Open files and sockets", open_fds() as f64)?;
    let started = http.started.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let started = started.map_or(0.0, |since| since.as_secs_f64());
    to.gauge("process_start_time_seconds", "When the process began to be shown, since 1970", started)
}
