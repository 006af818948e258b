//! State of a running memtap, from its live events: a snapshot, then changes. The events are those
//! of the namespace `/live` (docs/api.md).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use memtap_api::{Health, Host, Process, ProcessId, Request, Snapshot, Tick, Time};
use memtap_model::HostReading;
use serde::Deserialize;

use crate::model::{About, Model};

/// Number of requests that are kept, as in the server.
const LATEST: usize = 1000;

/// State after the events so far.
#[derive(Debug, Default)]
pub struct Mirror {
    url: String,
    about: Arc<About>,
    processes: BTreeMap<ProcessId, Arc<Process>>,
    latest: Vec<Arc<Request>>,
}

impl Mirror {
    /// Returns an empty state of the memtap at this address.
    #[must_use]
    pub fn of(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// Applies an event, `["tick",{...}]`. Returns the model after it, or `None` for an event that
    /// has no data for the frames.
    ///
    /// # Errors
    /// When the event has another form than docs/api.md describes.
    pub fn event(&mut self, json: &str) -> Result<Option<Model>, serde_json::Error> {
        let event: Event = serde_json::from_str(json)?;
        let (told, latest) = match event {
            Event::Snapshot(snapshot) => {
                let Snapshot { time, host, health, processes, requests, .. } = *snapshot;
                self.processes.clear();
                self.latest.clear();
                self.know(processes);
                (Told { time, host, health }, requests)
            }
            Event::Tick(tick) => {
                let Tick { time, host, health, changed, removed, requests, .. } = *tick;
                self.know(changed);
                for gone in removed {
                    self.processes.remove(&gone);
                }
                (Told { time, host, health }, requests)
            }
            Event::Other => return Ok(None),
        };
        self.latest.extend(latest.into_iter().map(Arc::new));
        self.latest.drain(..self.latest.len().saturating_sub(LATEST));
        Ok(Some(self.model(told)))
    }

    fn know(&mut self, processes: Vec<Process>) {
        self.processes.extend(processes.into_iter().map(|process| (process.id(), Arc::new(process))));
    }

    fn model(&mut self, told: Told) -> Model {
        let Told { time, host, health } = told;
        let about = About {
            hostname: host.hostname.clone(),
            source: health.source.into_owned(),
            plan: health.plan.map(Cow::into_owned),
            via: Some(self.url.clone()),
            notices: health.notices,
        };
        if *self.about != about {
            self.about = Arc::new(about);
        }
        let (living, mut ended): (Vec<_>, Vec<_>) =
            self.processes.values().cloned().partition(|process| process.end_time.is_none());
        ended.sort_by_key(|process| process.end_time);
        Model {
            at: time.timestamp(),
            about: Arc::clone(&self.about),
            host: HostReading::from(&host),
            totals: health.requests,
            unexplained_bytes: health.unexplained_bytes,
            oom_kills: health.oom_kills,
            living,
            ended,
            latest: self.latest.clone(),
            trouble: None,
        }
    }
}

/// Splits an event, which is an array of its name and its payload.
#[derive(Debug)]
enum Event {
    Snapshot(Box<Snapshot>),
    Tick(Box<Tick>),
    Other,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;
        impl<'de> serde::de::Visitor<'de> for Pair {
            type Value = Event;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an event: its name and its payload")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut pair: A) -> Result<Event, A::Error> {
                let missing = |index| serde::de::Error::invalid_length(index, &self);
                let name: String = pair.next_element()?.ok_or_else(|| missing(0))?;
                Ok(match name.as_str() {
                    "snapshot" => Event::Snapshot(pair.next_element()?.ok_or_else(|| missing(1))?),
                    "tick" => Event::Tick(pair.next_element()?.ok_or_else(|| missing(1))?),
                    _ => {
                        while pair.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                        Event::Other
                    }
                })
            }
        }
        deserializer.deserialize_seq(Pair)
    }
}

/// Data that both events have.
struct Told {
    time: Time,
    host: Host,
    health: Health,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told() -> Value {
        json!({
            "time": "2026-11-23T10:00:00.000Z",
            "host": {
                "hostname": "vm", "kernel": "6.18", "page_size": 4096, "cpus": 2,
                "memory": {"total_bytes": 100, "available_bytes": 60, "free_bytes": 50, "cached_bytes": 20, "kernel_bytes": 10, "programs_bytes": 20},
                "swap": {"total_bytes": 9, "free_bytes": 8},
                "pressure": {"some_avg10": 1.5, "full_avg10": 0.0},
            },
            "health": {
                "version": "0.1.0", "source": "bpf", "plan": "exit", "plan_about": null, "uptime_s": 60.0,
                "unexplained_bytes": 0, "oom_kills": 1,
                "store": {
                    "kind": "none", "rows": 0, "lag_s": 0.0, "spooled": 0, "spool_bytes": 0, "dropped": 0,
                    "dropped_by_cause": {}, "bytes": 0, "error": null,
                },
                "clients": {"connections": 1, "sessions": 1, "refused_by_cause": {}},
                "self": {"cpu_s": 0.5, "resident_bytes": 4096},
                "runs_as": {"user": "memtap", "capabilities": [], "nice": -10},
                "requests": {"made": 9, "seen": 8, "per_second": 2.5, "refused": 1, "refused_per_second": 0.5, "lost": 1, "lost_by_cause": {"ring_full": 1}},
                "notices": [{"what": "a", "fix": "b", "mend": "b"}],
            },
            "share": {"by": "requested_bytes", "total_bytes": 0, "slices": [], "others": null}, "oom_kills": [],
        })
    }

    fn process(pid: u32, end_time: Option<&str>) -> Value {
        json!({
            "pid": pid, "start_time": "2026-11-23T09:00:00.500Z", "end_time": end_time, "name": "perl", "command": "perl -e 1",
            "user": "ana", "parent_pid": 1, "container": null, "pod": null, "unit": "cron.service", "session": null,
            "cgroup": "/system.slice/cron.service", "inner_pid": null, "threads": 2, "memory_percentage": 2.0,
            "first_request": null, "last_request": null, "state": "alive", "virtual_bytes": 4096, "resident_bytes": 2048,
            "resident": {"anonymous_bytes": 2048, "file_bytes": 0, "shmem_bytes": 0}, "swap_bytes": 0,
            "peak_virtual_bytes": 4096, "peak_resident_bytes": 2048, "minor_faults": 5, "major_faults": 0, "unexplained_bytes": -1,
            "requests": 7, "requested_bytes": 8192, "refused": 1,
            "refusals": [{"call": "mmap", "errno": 12, "error": "ENOMEM", "count": 1}], "lost": 0,
            "calls": {"mmap": {"count": 7, "requested_bytes": 8192, "refused": 1}},
            "granted_bytes": 8192, "released_bytes": 4096, "opening_bytes": 0, "exec_bytes": 0, "stack_bytes": 0,
            "kernel_bytes": 0, "shared_bytes": 0, "ended_bytes": 0,
        })
    }

    fn request(pid: u32) -> Value {
        json!({
            "host": null, "timestamp": "2026-11-23T10:00:00.000Z", "pid": pid, "tid": pid, "process_name": "perl", "call": "mmap",
            "memory_size": 4096, "address": "0x0", "delta_bytes": 0, "errno": 12, "error": "ENOMEM", "virtual_bytes": 4096,
            "arguments": "PROT_NONE", "file": null, "lost_before": 2,
        })
    }

    fn event(name: &str, more: &Value) -> String {
        let mut payload = told();
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([name, payload]).to_string()
    }

    #[test]
    fn a_snapshot_and_what_changes_then() {
        let mut mirror = Mirror::of("http://there");
        let snapshot = event(
            "snapshot",
            &json!({"processes": [process(9, None), process(4, None)], "requests": [request(4)]}),
        );
        let model = mirror.event(&snapshot).unwrap().unwrap();
        assert_eq!(model.living.iter().map(|process| process.pid).collect::<Vec<_>>(), [4, 9]);
        assert_eq!(
            (model.about.via.as_deref(), model.about.plan.as_deref()),
            (Some("http://there"), Some("exit"))
        );
        assert_eq!((model.host.programs_bytes, model.host.swap.free_bytes, model.totals.seen), (20, 8, 8));
        assert_eq!(model.living[0].calls["mmap"].refused, 1);
        assert_eq!(model.latest[0].lost_before, 2);

        let changed = [process(9, Some("2026-11-23T10:00:00.000Z")), process(7, None)];
        let requests: Vec<Value> = (0..LATEST).map(|_| request(7)).collect();
        let tick =
            event("tick", &json!({"changed": changed, "removed": [], "requests": requests, "skipped": 0}));
        let model = mirror.event(&tick).unwrap().unwrap();
        assert_eq!(model.living.iter().map(|process| process.pid).collect::<Vec<_>>(), [4, 7]);
        assert_eq!((model.ended[0].pid, model.latest.len()), (9, LATEST));

        let gone = json!([{"pid": 9, "start_time": "2026-11-23T09:00:00.500Z"}]);
        let tick = event("tick", &json!({"changed": [], "removed": gone, "requests": [], "skipped": 0}));
        assert!(mirror.event(&tick).unwrap().unwrap().ended.is_empty());
        assert!(mirror.event(r#"["another",{"x":1},2]"#).unwrap().is_none());
        assert!(mirror.event(r#"["tick",{"time":1}]"#).is_err());
    }
}
