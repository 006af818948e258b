//! Findings of a range, of one machine or of each that the history knows.

use memtap_history::{Range, Reader, StoreError};

use crate::evidence::{NotLookedAt, Now, gather};
use crate::findings::{Finding, findings, in_order};

/// Machines that are looked at: each costs its queries.
const HOSTS: usize = 16;
/// Limits hold for a range that ends no longer ago than this before they were read, seconds.
const FRESH_S: f64 = 300.0;

/// What was found in a range.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looked {
    /// The findings, the serious ones first.
    pub findings: Vec<Finding>,
    /// What was not looked at.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// Looks at a range. `now` are the limits of the machine that memtap runs on, which count when the range reaches to the present. After
/// `enough` says so, no further detail is read.
///
/// # Errors
/// When the history does not tell the machines or the processes of the range.
pub async fn look(
    reader: &dyn Reader,
    range: &Range,
    now: Option<&Now>,
    enough: &(dyn Fn() -> bool + Sync),
) -> Result<Looked, StoreError> {
    let mut looked = Looked::default();
    for host in hosts(reader, range).await? {
        let of_host = Range { host: Some(host.clone()), ..range.clone() };
        let evidence = gather(reader, &of_host, limits(now, &host, range), enough).await?;
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

/// The limits, when they are of that machine and of the range's end.
fn limits(now: Option<&Now>, host: &str, range: &Range) -> Result<Now, NotLookedAt> {
    let here = now.filter(|now| *now.host == *host).ok_or(NotLookedAt::LimitsElsewhere)?;
    let fresh = here.at.seconds_since(range.to).abs() < FRESH_S;
    if fresh { Ok(here.clone()) } else { Err(NotLookedAt::LimitsThen) }
}

/// The machine that was asked for, or those that told of the range, the latest first.
async fn hosts(reader: &dyn Reader, range: &Range) -> Result<Vec<String>, StoreError> {
    if let Some(host) = &range.host {
        return Ok(vec![host.clone()]);
    }
    let known = reader.hosts().await?;
    let told = known.iter().filter(|host| host.first < range.to && host.last >= range.from);
    let mut hosts: Vec<_> = told.cloned().collect();
    if hosts.is_empty() {
        // An import's requests may lie beyond what its run tells.
        hosts = known;
    }
    hosts.sort_by_key(|host| std::cmp::Reverse(host.last));
    Ok(hosts.into_iter().take(HOSTS).map(|host| host.hostname).collect())
}
