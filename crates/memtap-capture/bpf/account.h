/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The accounts: one for each process, with its books and what its calls have come to. They are exact whatever the ring loses,
 * because nothing in them depends on the ring.
 */
#ifndef MEMTAP_ACCOUNT_H
#define MEMTAP_ACCOUNT_H

/* What the call that a thread is in has changed so far. */
struct change {
	__u32 tid;	/* 0: nobody's */
	__s64 delta;	/* pages */
	__u64 brk;	/* as it was before */
};

struct account {
	__u32 tgid;		/* 0: none, and none yet */
	__u32 is_taken;		/* of a slot: since before `tgid` is set, until after it is none any more */
	__u64 free_from;	/* of a slot: the kernel's timer tick from which on it may be taken again */
	__u64 start_ns;
	__u64 mm;		/* the address space that the books are about */
	__s64 others_base;	/* in a shared space: what had been moved there, less its own, when it came */
	__u8 shares;		/* whether the space is, or was lately, that of other processes too */
	__u8 is_crowded;	/* some thread's change has not found `under_way` free */
	struct change under_way;
	__u64 stack_vm;		/* as last booked */
	__u64 brk;		/* as the last call that may move it found it, or left it where the lock is not seen */
	__u64 peak_virtual;	/* since the last reading */
	__u64 peak_resident;	/* since the last reading */
	__u64 highest_told;	/* of the kernel's own high-water mark of the resident set, as of the last reading */
	__u64 has_news;		/* whether there were requests since the last tally */
	struct glance glance;
	__u64 refusals_beyond;
	struct memtap_books books;
	struct memtap_refusal refusals[MEMTAP_REFUSALS];
	struct memtap_call calls[MEMTAP_CALLS];
};

/*
 * A process's account is in the slot that the end of its number chooses, which is found without a helper; when another process has that
 * slot, in the map behind, by tgid. Entries come with a process and go with it; the loader sets how many there may be.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct account);
} slots SEC(".maps");
/* Their number, a power of two, less one. */
const volatile __u32 slot_mask = 4095;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct account);
} accounts SEC(".maps");

/* Too large for a program's stack. */
const struct account fresh = {};

/* Of threads that are in such calls at the same time, all but one keep theirs here. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct change);
} changes SEC(".maps");

static __always_inline struct account *slot_of(__u32 tgid)
{
	__u32 slot = tgid & slot_mask;

	return bpf_map_lookup_elem(&slots, &slot);
}

static __always_inline struct account *account_of(__u32 tgid)
{
	struct account *slot = slot_of(tgid);

	if (!unlikely(!slot || slot->tgid != tgid))
		return slot;
	return bpf_map_lookup_elem(&accounts, &tgid);
}

/* A slot that was given back rests, so that nobody who was still looking at the old account writes into the new one. */
#define SLOT_RESTS 256

/* The process's slot, if it is free, or its own already, with nothing in it. */
static __always_inline struct account *take_slot(__u32 tgid)
{
	struct account *slot = slot_of(tgid);

	if (!slot)
		return NULL;
	if (slot->tgid != tgid && (slot->is_taken || bpf_jiffies64() < slot->free_from ||
				   __sync_val_compare_and_swap(&slot->is_taken, 0, 1)))
		return NULL;
	__builtin_memset(&slot->start_ns, 0, sizeof(*slot) - offsetof(struct account, start_ns));
	return slot;
}

static __always_inline struct account *take_entry(__u32 tgid)
{
	bpf_map_update_elem(&accounts, &tgid, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&accounts, &tgid);
}

/* With what the process has now. */
static __always_inline struct account *open_account(struct task_struct *task, struct mm_struct *mm)
{
	__u32 tgid = task->tgid;
	struct account *account = take_slot(tgid);

	if (!account)
		account = take_entry(tgid);
	if (!account)
		return NULL;
	account->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	account->mm = (__u64)mm;
	account->brk = mm->brk;
	account->stack_vm = mm->stack_vm;
	account->books.opening = account->peak_virtual = mm->total_vm;
	/* Whoever finds the number finds all of it; and who opens it sees afterwards whether the process has ended. */
	__sync_lock_test_and_set(&account->tgid, tgid);
	return account;
}

static __always_inline void close_account(__u32 tgid)
{
	struct account *slot = slot_of(tgid);

	if (slot && slot->tgid == tgid) {
		*(volatile __u32 *)&slot->tgid = 0;
		*(volatile __u64 *)&slot->free_from = bpf_jiffies64() + SLOT_RESTS;
		*(volatile __u32 *)&slot->is_taken = 0;
	}
	bpf_map_delete_elem(&accounts, &tgid);
}

/*
 * An address space that several processes have: between vfork and exec, or for good by clone(CLONE_VM). Entries are there only for such.
 */
struct space {
	__s64 moved;	/* what all its processes have changed it by, pages */
	__s32 users;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct space);
} spaces SEC(".maps");

static __always_inline struct space *space_of(struct account *account)
{
	__u64 mm = account->mm;

	return unlikely(account->shares) ? bpf_map_lookup_elem(&spaces, &mm) : NULL;
}

static __always_inline void add(void *amount, __s64 change)
{
	__sync_fetch_and_add((__s64 *)amount, change);
}

/* What the process has itself done to address spaces, pages. */
static __always_inline __s64 own(struct account *account)
{
	return account->books.granted - account->books.released + account->books.stack + account->books.kernel;
}

/* What it has by its books, pages; without what others have done in a space still shared. */
static __always_inline __s64 virtual(struct account *account)
{
	return account->books.opening + own(account) + account->books.exec + account->books.shared;
}

/* What others have done in the space that the process is in. */
static __always_inline __s64 by_others(struct account *account)
{
	struct space *space = space_of(account);

	return space ? space->moved - own(account) - account->others_base : 0;
}

static __always_inline void enter(struct account *account, struct space *space)
{
	account->shares = 1;
	account->others_base = space->moved - own(account);
	__sync_fetch_and_add(&space->users, 1);
}

/* A child has its parent's address space. */
static __always_inline void share(struct account *parent, struct account *child)
{
	__u64 mm = child->mm;
	struct space none = {}, *space;

	if (!parent->shares)
		bpf_map_update_elem(&spaces, &mm, &none, BPF_ANY);
	space = bpf_map_lookup_elem(&spaces, &mm);
	if (!space)
		return;
	if (!parent->shares)
		enter(parent, space);
	enter(child, space);
}

/* The process leaves its address space, by exec or exit: what others did in it stands in its books from now on. */
static __always_inline void leave(struct account *account)
{
	struct space *space = space_of(account);
	__s64 others = by_others(account);
	__u64 mm = account->mm;

	account->books.shared += others;
	account->shares = 0;
	if (space && __sync_fetch_and_add(&space->users, -1) == 1)
		bpf_map_delete_elem(&spaces, &mm);
}

static __always_inline void raise(__u64 *peak, __u64 value)
{
	/* Two threads that race here are both near the peak. */
	if (value > *peak)
		*peak = value;
}

enum cause { BY_REQUEST, BY_STACK, BY_KERNEL };

/* `total_vm` is what the address space has after the change. */
static __always_inline void book(struct account *account, enum cause cause, __s64 change, __u64 total_vm)
{
	struct space *space = space_of(account);

	if (cause == BY_STACK)
		add(&account->books.stack, change);
	else if (cause == BY_KERNEL)
		add(&account->books.kernel, change);
	else if (change >= 0)
		add(&account->books.granted, change);
	else
		add(&account->books.released, -change);
	if (space)
		add(&space->moved, change);
	raise(&account->peak_virtual, total_vm);
}

/* What is not booked yet, pages. */
static __always_inline __s64 not_booked(struct account *account, struct mm_struct *mm)
{
	return mm->total_vm - virtual(account) - by_others(account);
}

static __always_inline __s64 stack_not_booked(struct account *account, struct mm_struct *mm)
{
	__u64 now = mm->stack_vm;

	return now == account->stack_vm ? 0 : now - __sync_lock_test_and_set(&account->stack_vm, now);
}

/* Whoever calls this holds the lock of the account's address space. */
static __always_inline void add_to_call(struct account *account, struct task_struct *task, __s64 delta)
{
	struct change *change = &account->under_way;

	if (unlikely(change->tid && change->tid != task->pid)) {
		account->is_crowded = 1;
		change = bpf_task_storage_get(&changes, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!change)
			return;
	}
	if (!change->tid) {
		change->delta = 0;
		change->brk = account->brk;
		change->tid = task->pid;
	}
	change->delta += delta;
}

/* The thread's call has come back. Gives what it has changed, and what the break was before. */
static __always_inline __s64 end_of_call(struct account *account, struct task_struct *task, __u64 *brk_before)
{
	struct change *change = &account->under_way;

	if (unlikely(change->tid != task->pid)) {
		if (!account->is_crowded)
			return 0;
		change = bpf_task_storage_get(&changes, task, NULL, 0);
		if (!change || !change->tid)
			return 0;
	}
	*brk_before = *(volatile __u64 *)&change->brk;
	/* Its place is free only once it has been read. */
	__s64 delta = *(volatile __s64 *)&change->delta;
	*(volatile __u32 *)&change->tid = 0;
	return delta;
}

/*
 * A slot of its own for each pair of call and errno, as long as there are any. Neither static nor inlined, so that the verifier looks at
 * the loop once, and not again for each way that leads to it.
 */
__noinline int count_refusal(struct account *account, __u32 row, __u32 errno)
{
	__u32 key = (row + 1) | errno << 16;

	if (!account)
		return 0;
	for (int i = 0; i < MEMTAP_REFUSALS; i++) {
		__u32 *slot = (__u32 *)&account->refusals[i];
		__u32 found = *slot;

		if (!found)
			found = __sync_val_compare_and_swap(slot, 0, key) ?: key;
		if (found == key) {
			__sync_fetch_and_add(&account->refusals[i].count, 1);
			return 0;
		}
	}
	add(&account->refusals_beyond, 1);
	return 0;
}

static __always_inline void count_request(struct account *account, __u32 row, __u32 errno, __u64 requested)
{
	struct memtap_call *call;
	__u64 index = row;

	/* The compiler must look at the very register that it uses: the verifier of 6.1 forgets bounds of what was on the stack. */
	barrier_var(index);
	if (index >= MEMTAP_CALLS)
		return;
	call = &account->calls[index];
	add(&call->count, 1);
	if (unlikely(errno)) {
		add(&call->refused, 1);
		count_refusal(account, row, errno);
	} else {
		add(&call->requested, requested);
	}
	/* After all that it tells of. */
	*(volatile __u64 *)&account->has_news = 1;
}

#endif
