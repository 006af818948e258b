//! One account: what is known of one process life.

use std::sync::Arc;

use memtap_model::{Call, Comm, ProcessDetails, ProcessId, ProcessState, Resident, SpaceId, Tgid, WallClock};

use crate::{BookedRequest, Books, ProcessSummary};

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) process: ProcessId,
    pub(crate) space: SpaceId,
    pub(crate) virtual_bytes: u64,
    pub(crate) books: Books,
    /// Listed among the accounts that changed since the last tick.
    pub(crate) dirty: bool,
    started_at: WallClock,
    name: Comm,
    command: String,
    user: String,
    parent: Tgid,
    resident: Resident,
    requested_bytes: u64,
    named_mmap_bytes: u64,
    named_munmap_bytes: u64,
    first_request: Option<WallClock>,
    last_request: Option<WallClock>,
    /// What the last view showed.
    shown: Option<Arc<ProcessSummary>>,
}

impl Account {
    /// Opens an account with what the process has.
    pub(crate) fn open(state: &ProcessState, virtual_bytes: u64) -> Self {
        Self {
            process: state.process(),
            space: state.space,
            virtual_bytes,
            books: Books { opening_bytes: virtual_bytes, ..Books::default() },
            dirty: false,
            started_at: state.started_at,
            name: state.name,
            command: String::new(),
            user: state.uid.to_string(),
            parent: state.parent,
            resident: state.resident,
            requested_bytes: 0,
            named_mmap_bytes: 0,
            named_munmap_bytes: 0,
            first_request: None,
            last_request: None,
            shown: None,
        }
    }

    /// A child runs its parent's command until it execs.
    pub(crate) fn inherit(&mut self, parent: &Self) {
        self.command.clone_from(&parent.command);
        self.user.clone_from(&parent.user);
    }

    pub(crate) fn exec(&mut self, state: &ProcessState, virtual_bytes: u64) {
        self.books.exec_bytes += virtual_bytes.cast_signed() - self.virtual_bytes.cast_signed();
        self.virtual_bytes = virtual_bytes;
        self.space = state.space;
        self.resident = state.resident;
        self.rename(state.name);
    }

    pub(crate) fn reading(&mut self, state: &ProcessState) {
        self.resident = state.resident;
        self.parent = state.parent;
        self.rename(state.name);
    }

    pub(crate) fn details(&mut self, details: &ProcessDetails) {
        self.command.clone_from(&details.command);
        self.user.clone_from(&details.user);
    }

    /// Another process changed the space that this one shares.
    pub(crate) fn catch_up(&mut self, virtual_bytes: u64) {
        self.books.shared_bytes += virtual_bytes.cast_signed() - self.virtual_bytes.cast_signed();
        self.virtual_bytes = virtual_bytes;
    }

    pub(crate) fn request(&mut self, booked: &BookedRequest) {
        let request = &booked.request;
        if request.tid.0 == request.tgid.0 {
            self.rename(request.name);
        }
        let call = &mut self.books.calls[request.call.index()];
        call.count += 1;
        call.refused += u64::from(booked.refused());
        if !booked.refused() {
            let counted = if request.call.asks() { booked.asked_bytes() } else { booked.requested_bytes };
            call.requested_bytes = call.requested_bytes.saturating_add(counted);
            match request.call {
                Call::Mmap => self.named_mmap_bytes = self.named_mmap_bytes.saturating_add(counted),
                Call::Munmap => self.named_munmap_bytes = self.named_munmap_bytes.saturating_add(counted),
                Call::Mremap | Call::Brk => {}
            }
        }
        self.requested_bytes = self.requested_bytes.saturating_add(booked.asked_bytes());
        self.first_request.get_or_insert(request.time);
        self.last_request = Some(request.time);
    }

    /// The last summary: everything goes back.
    pub(crate) fn end(mut self, at: WallClock) -> Arc<ProcessSummary> {
        self.books.ended_bytes = self.virtual_bytes;
        self.virtual_bytes = 0;
        self.resident = Resident::default();
        Arc::new(self.summary(Some(at)))
    }

    /// The summary for the view, and whether it differs from the one before.
    pub(crate) fn show(&mut self) -> (Arc<ProcessSummary>, bool) {
        let summary = self.summary(None);
        match &self.shown {
            Some(shown) if **shown == summary => (Arc::clone(shown), false),
            _ => {
                let shown = Arc::new(summary);
                self.shown = Some(Arc::clone(&shown));
                (shown, true)
            }
        }
    }

    /// What the last view showed, if it showed this account.
    pub(crate) fn shown(&self) -> Option<&Arc<ProcessSummary>> {
        self.shown.as_ref()
    }

    fn rename(&mut self, name: Comm) {
        if self.name != name {
            self.name = name;
            self.named_mmap_bytes = 0;
            self.named_munmap_bytes = 0;
        }
    }

    fn summary(&self, ended_at: Option<WallClock>) -> ProcessSummary {
        ProcessSummary {
            process: self.process,
            started_at: self.started_at,
            name: self.name,
            command: self.command.clone(),
            user: self.user.clone(),
            parent: self.parent,
            ended_at,
            virtual_bytes: self.virtual_bytes,
            resident: self.resident,
            books: self.books,
            requested_bytes: self.requested_bytes,
            named_mmap_bytes: self.named_mmap_bytes,
            named_munmap_bytes: self.named_munmap_bytes,
            first_request: self.first_request,
            last_request: self.last_request,
        }
    }
}
