//! Findings of a range, for one machine or for each machine in the history.

use memtap_history::{Range, Reader, StoreError};

use crate::evidence::{NotLookedAt, Now, gather};
use crate::findings::{Finding, findings, in_order};

/// Number of machines to examine: each costs several queries.
const HOSTS: usize = 16;
/// Largest time, in seconds, between the end of the range and reading the limits for the limits to
/// apply.
const FRESH_S: f64 = 300.0;

/// Result of examining a range.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looked {
    /// Findings, most severe first.
    pub findings: Vec<Finding>,
    /// Checks that were skipped.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// Examines a range. `now` has the limits of the machine that memtap runs on, which apply if the
/// range reaches the present. Once `enough` returns true, no further detail is read.
///
/// # Errors
/// When the history cannot return the machines or the processes of the range.
pub async fn look(
    reader: &dyn Reader,
    range: &Range,
    now: Option<&Now>,
    enough: &(dyn Fn() -> bool + Sync),
) -> Result<Looked, StoreError> {
    let mut looked = Looked::default();
    for host in hosts(reader, range).await? {
        let host_range = Range { host: Some(host.clone()), ..range.clone() };
        let evidence = gather(reader, &host_range, limits(now, &host, range), enough).await?;
        looked.findings.extend(findings(&evidence));
        for gap in evidence.not_looked_at {
            if !looked.not_looked_at.contains(&gap) {
                looked.not_looked_at.push(gap);
            }
        }
    }
    looked.findings = in_order(looked.findings);
    Ok(looked)
}

/// Returns the limits if they belong to this machine and were read near the end of the range.
fn limits(now: Option<&Now>, host: &str, range: &Range) -> Result<Now, NotLookedAt> {
    let here = now.filter(|now| *now.host == *host).ok_or(NotLookedAt::LimitsElsewhere)?;
    let fresh = here.at.seconds_since(range.to).abs() < FRESH_S;
    if fresh { Ok(here.clone()) } else { Err(NotLookedAt::LimitsThen) }
}

/// Returns the requested machine, or all machines with data in the range, latest first.
async fn hosts(reader: &dyn Reader, range: &Range) -> Result<Vec<String>, StoreError> {
    if let Some(host) = &range.host {
        return Ok(vec![host.clone()]);
    }
    let known = reader.hosts().await?;
    let in_range = known.iter().filter(|host| host.first < range.to && host.last >= range.from);
    let mut hosts: Vec<_> = in_range.cloned().collect();
    if hosts.is_empty() {
        // Requests of an import may lie outside the time span of its run.
        hosts = known;
    }
    hosts.sort_by_key(|host| std::cmp::Reverse(host.last));
    Ok(hosts.into_iter().take(HOSTS).map(|host| host.hostname).collect())
}
