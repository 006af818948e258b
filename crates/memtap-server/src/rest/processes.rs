//! Living and recently ended processes, and the requested bytes by program.

use std::cmp::Ordering;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use memtap_api::{OneProcess, Problem, Process, Processes, Share};
use memtap_ledger::LiveView;
use memtap_model::Tgid;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::kernel::unread;
use crate::State;
use crate::error::ApiError;
use crate::params::{Asked, Limit};

/// Filters and order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProcessesQuery {
    /// Field to sort by.
    #[param(default = "virtual_bytes")]
    sort: Option<SortField>,
    /// Sort order. `desc` puts the largest, the latest, or the last in the alphabet first.
    #[param(default = "desc")]
    order: Option<Order>,
    /// Maximum number of processes.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000, default = 10_000)]
    limit: Option<Limit>,
    /// Part of the name, case-insensitive.
    name: Option<String>,
    /// Include processes that ended (the latest 1,000).
    #[param(default = false)]
    ended: Option<bool>,
}

/// Sort order: ascending or descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    Asc,
    Desc,
}

/// Returns the living processes with their ledger accounts.
#[utoipa::path(get, path = "/processes", params(ProcessesQuery), responses((status = OK, body = Processes)))]
pub(crate) async fn processes(
    Shared(state): Shared<State>,
    Asked(query): Asked<ProcessesQuery>,
) -> Json<Processes> {
    let sort = query.sort.unwrap_or(SortField::virtual_bytes);
    let ascending = query.order == Some(Order::Asc);
    let mut found = matching(&state.now(), query.name.as_deref(), query.ended.unwrap_or(false));
    found.sort_by(|a, b| {
        if ascending { sort.compare(a, b) } else { sort.compare(b, a) }.then(a.pid.cmp(&b.pid))
    });
    found.truncate(query.limit.map_or(Limit::MOST, |limit| limit.0));
    Json(Processes { processes: found })
}

fn matching(view: &LiveView, name: Option<&str>, ended: bool) -> Vec<Process> {
    let name = name.map(str::to_lowercase);
    let kept = view.ended.iter().filter(|_| ended);
    let all = view.living.iter().chain(kept).map(|summary| Process::new(summary, view.host.total_bytes));
    all.filter(|process| name.as_ref().is_none_or(|name| process.name.to_lowercase().contains(name)))
        .collect()
}

macro_rules! sort_fields {
    ($($field:ident)*) => {
        /// Fields of a process that the list can be sorted by.
        #[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
        #[expect(non_camel_case_types, reason = "the fields' own names")]
        pub(crate) enum SortField { $($field,)* memory_percentage }

        impl SortField {
            fn compare(self, a: &Process, b: &Process) -> Ordering {
                match self {
                    $(Self::$field => a.$field.cmp(&b.$field),)*
                    Self::memory_percentage => a.memory_percentage.total_cmp(&b.memory_percentage),
                }
            }
        }
    };
}

sort_fields! {
    pid start_time name command user parent_pid container unit threads state end_time virtual_bytes resident_bytes swap_bytes
    peak_virtual_bytes peak_resident_bytes minor_faults major_faults unexplained_bytes requests requested_bytes refused lost
    granted_bytes released_bytes opening_bytes exec_bytes stack_bytes kernel_bytes shared_bytes ended_bytes first_request
    last_request
}

/// Options for one process.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProcessQuery {
    /// Include PSS, USS and swap PSS. The kernel walks all pages of the process for this, so memtap
    /// never does it for all processes. All clients share one walk. After a walk, memtap waits for
    /// twenty times its duration before the next one, and returns the last answer until then.
    #[param(default = false)]
    pss: Option<bool>,
}

/// Returns the process with this pid: the living one, or else the one that ended last.
#[utoipa::path(
    get,
    path = "/processes/{pid}",
    params(("pid" = u32, Path, description = "Process id."), ProcessQuery),
    responses(
        (status = OK, body = OneProcess),
        (status = NOT_FOUND, body = Problem, description = "No living or recently ended process has this pid."),
        (status = SERVICE_UNAVAILABLE, body = Problem, description = "The kernel does not report PSS, or memtap is not permitted to read it."),
    )
)]
pub(crate) async fn process(
    Shared(state): Shared<State>,
    Path(pid): Path<String>,
    Asked(query): Asked<ProcessQuery>,
) -> Answer<OneProcess> {
    let pid = pid.parse().map_err(|_| ApiError::wrong(format!("invalid pid '{pid}': expected a number")))?;
    let view = state.now();
    let unknown = || {
        ApiError(
            StatusCode::NOT_FOUND,
            format!("there is no process {pid}: it is not running, and it has not ended recently"),
        )
    };
    let summary = view.process(Tgid(pid)).ok_or_else(unknown)?;
    let process = Process::new(summary, view.host.total_bytes);
    let is_asked = query.pss.unwrap_or(false) && summary.ended_at.is_none();
    let read = if is_asked {
        let read = state.walks.proportional(summary.process).await;
        Some(read.map_err(|error| unread("PSS", summary.process, &error))?)
    } else {
        None
    };
    let memory = read.as_ref().map(|read| read.value);
    Ok(Json(OneProcess {
        process,
        pss_bytes: memory.map(|memory| memory.pss_bytes),
        uss_bytes: memory.map(|memory| memory.uss_bytes),
        swap_pss_bytes: memory.map(|memory| memory.swap_pss_bytes),
        pss_age_s: read.map(|read| read.age.as_secs_f64()),
    }))
}

/// Returns the requested bytes by process name, over all processes since memtap started.
#[utoipa::path(get, path = "/share", responses((status = OK, body = Share)))]
pub(crate) async fn share(Shared(state): Shared<State>) -> Json<Share> {
    Json(Share::from(&state.now().requested))
}
