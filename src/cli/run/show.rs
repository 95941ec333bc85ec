//! Show: the run over HTTP, where that was asked for.

use corec_live::{Server, server};
use corec_run::{Http, RunError, RunPlan};

/// Starts to show the run of `plan`, as a flag says, else the run that it goes on with, else its scenario. Says where, unless it is quiet.
pub(super) fn start(plan: &RunPlan, is_quiet: bool) -> Result<Option<Server>, RunError> {
    let recorded = plan.restore.as_ref().and_then(|restore| restore.run.as_ref());
    // A run that goes on as another has a place of its own.
    let recorded = recorded.filter(|_| plan.out.is_none()).and_then(|run| run.options().http);
    let section = plan.scenario.section::<Http>()?.map(|http| http.0);
    let Some(address) = plan.options.http.clone().or(recorded).or(section) else { return Ok(None) };
    let token = std::env::var(server::VARIABLE).ok();
    let shown = Server::start(&address, plan.watch.clone(), token).map_err(|error| {
        // `--http telemetry` was meant to be a scenario.
        let is_name = address.chars().all(|c| c.is_alphabetic() || "-_".contains(c));
        let hint = if is_name { "; a scenario goes before --http" } else { "" };
        RunError::Usage(format!("{error}{hint}"))
    })?;
    if !is_quiet {
        crate::cli::tell(&format!("shown at {}/", shown.url()));
    }
    Ok(Some(shown))
}
