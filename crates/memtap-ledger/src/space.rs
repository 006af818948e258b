//! Address spaces: what the kernel accounts for. Processes share one between vfork and exec.

use std::collections::HashMap;

use memtap_model::{MemoryRequest, ProcessState, SpaceId};

/// One address space as of the last record about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AddressSpace {
    /// How many accounts use it.
    users: u32,
    pub(crate) virtual_bytes: u64,
    stack_bytes: u64,
    pub(crate) brk: u64,
    /// A difference that the last reading found. It is most likely a request in flight, whose record will explain it;
    /// only when the next reading finds the same, and no request came in between, is it no such thing.
    in_flight: i64,
}

/// How an address space changed, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) stack: i64,
    pub(crate) rest: i64,
}

/// All address spaces in use.
#[derive(Debug, Default)]
pub(crate) struct Spaces(HashMap<SpaceId, AddressSpace>);

impl Spaces {
    /// Another account uses the space; its state is taken as given. A space that nobody used before starts afresh: the kernel
    /// reuses the addresses of those that are gone.
    pub(crate) fn enter(&mut self, state: &ProcessState) -> &AddressSpace {
        let space = self.0.entry(state.space).or_default();
        if space.users == 0 {
            *space = AddressSpace {
                users: 0,
                virtual_bytes: state.virtual_bytes,
                stack_bytes: state.stack_bytes,
                brk: state.brk,
                in_flight: 0,
            };
        }
        space.users += 1;
        space
    }

    /// An account no longer uses the space.
    pub(crate) fn leave(&mut self, id: SpaceId) {
        if let Some(space) = self.0.get_mut(&id) {
            space.users = space.users.saturating_sub(1);
            if space.users == 0 {
                self.0.remove(&id);
            }
        }
    }

    pub(crate) fn get(&self, id: SpaceId) -> Option<&AddressSpace> {
        self.0.get(&id)
    }

    /// A granted request came back: the whole change since the last record is its own, except what the stack grew by.
    /// Also gives the break as it was before.
    pub(crate) fn granted(&mut self, request: &MemoryRequest) -> (Change, u64) {
        let Some(space) = self.0.get_mut(&request.space) else { return (Change::default(), 0) };
        let change = space.difference(request.virtual_bytes, request.stack_bytes);
        let brk_before = space.brk;
        space.virtual_bytes = request.virtual_bytes;
        space.stack_bytes = request.stack_bytes;
        space.brk = request.brk;
        space.in_flight = 0;
        (change, brk_before)
    }

    /// A refused request came back. It moved nothing: what else changed belongs to a record that is still to come.
    pub(crate) fn refused(&mut self, request: &MemoryRequest) -> Change {
        let Some(space) = self.0.get_mut(&request.space) else { return Change::default() };
        let stack = space.difference(request.virtual_bytes, request.stack_bytes).stack;
        space.virtual_bytes = space.virtual_bytes.saturating_add_signed(stack);
        space.stack_bytes = request.stack_bytes;
        Change { stack, rest: 0 }
    }

    /// A reading of the state: what the stack grew by is booked at once, the rest when it has stood for two readings.
    pub(crate) fn reading(&mut self, state: &ProcessState) -> Change {
        let Some(space) = self.0.get_mut(&state.space) else { return Change::default() };
        let mut change = space.difference(state.virtual_bytes, state.stack_bytes);
        if change.rest != space.in_flight {
            space.in_flight = change.rest;
            change.rest = 0;
        } else {
            space.in_flight = 0;
        }
        space.virtual_bytes = space.virtual_bytes.saturating_add_signed(change.stack + change.rest);
        space.stack_bytes = state.stack_bytes;
        if change.rest == 0 && space.in_flight == 0 {
            space.brk = state.brk;
        }
        change
    }
}

impl AddressSpace {
    fn difference(&self, virtual_bytes: u64, stack_bytes: u64) -> Change {
        let stack = stack_bytes.cast_signed() - self.stack_bytes.cast_signed();
        Change { stack, rest: virtual_bytes.cast_signed() - self.virtual_bytes.cast_signed() - stack }
    }
}
