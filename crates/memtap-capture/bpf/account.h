/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * One account for each process, with its books and the totals of its calls. Accounts do not depend
 * on the ring, so they are exact even if the ring loses records.
 */
#ifndef MEMTAP_ACCOUNT_H
#define MEMTAP_ACCOUNT_H

/* Changes made so far by the call that a thread is executing. */
struct change {
	__u32 tid;	/* 0 if unused */
	__s64 delta;	/* pages */
	__u64 brk;	/* break before the call */
};

struct account {
	__u32 tgid;		/* 0 if the account is not open */
	__u32 is_taken;		/* slots only: set before `tgid` is set, cleared after it is cleared */
	__u64 free_from;	/* slots only: timer tick (jiffy) from which the slot may be used again */
	__u64 start_ns;
	__u64 mm;		/* address space that the books describe */
	__s64 others_base;	/* shared space only: space->moved less own() when this process joined */
	__u8 shares;		/* other processes share, or recently shared, the space */
	__u8 is_crowded;	/* a thread has found `under_way` in use */
	struct change under_way;
	__u64 stack_vm;		/* stack size as last booked */
	__u64 brk;		/* break when the lock was last taken; without lock hooks, after the last call */
	__u64 peak_virtual;	/* since the last reading */
	__u64 peak_resident;	/* since the last reading */
	__u64 highest_told;	/* the kernel's high-water mark of the resident set at the last reading */
	__u64 has_news;		/* requests were made since the last tally */
	struct glance glance;
	__u64 refusals_beyond;
	struct memtap_books books;
	struct memtap_refusal refusals[MEMTAP_REFUSALS];
	struct memtap_call calls[MEMTAP_CALLS];
};

/*
 * The low bits of a process's tgid select its slot, which is found without a helper call. If
 * another process uses that slot, the account is in the map `accounts`, by tgid. An account is
 * opened and closed with its process. The loader sets the sizes of both maps.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct account);
} slots SEC(".maps");
/* Number of slots (a power of two) less one. */
const volatile __u32 slot_mask = 4095;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct account);
} accounts SEC(".maps");

/* An empty account. It is too large for the stack of a program. */
const struct account fresh = {};

/* Changes of threads that found their account's `under_way` in use by another thread. */
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

/*
 * Ticks before a closed slot may be used again: whoever still holds the old account must not write
 * into the new one.
 */
#define SLOT_RESTS 256

/* Returns the slot of the process with empty contents, if it is free or belongs to it already. */
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

/* Opens an account with the current virtual size of the process. */
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
	/*
	 * The tgid is set last, so whoever finds it finds a complete account. The caller checks
	 * afterwards whether the process has ended.
	 */
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
 * An address space that several processes share: between vfork and exec, or permanently after
 * clone(CLONE_VM). Other address spaces have no entry.
 */
struct space {
	__s64 moved;	/* change by all its processes, pages */
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

/* Change of address spaces by the process itself, pages. */
static __always_inline __s64 own(struct account *account)
{
	return account->books.granted - account->books.released + account->books.stack + account->books.kernel;
}

/*
 * Virtual size according to the books, pages. Excludes changes by others in a space that is still
 * shared.
 */
static __always_inline __s64 virtual(struct account *account)
{
	return account->books.opening + own(account) + account->books.exec + account->books.shared;
}

/* Change by other processes in the address space of this one, pages. */
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

/* Records that parent and child share an address space. */
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

/*
 * The process leaves its address space by exec or exit. Changes by other processes are booked as
 * shared.
 */
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
	/* Two threads that race here both have values near the peak. */
	if (value > *peak)
		*peak = value;
}

enum cause { BY_REQUEST, BY_STACK, BY_KERNEL };

/* `total_vm` is the size of the address space after the change. */
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

/* Returns the part of the virtual size that is not booked yet, pages. */
static __always_inline __s64 not_booked(struct account *account, struct mm_struct *mm)
{
	return mm->total_vm - virtual(account) - by_others(account);
}

static __always_inline __s64 stack_not_booked(struct account *account, struct mm_struct *mm)
{
	__u64 now = mm->stack_vm;

	return now == account->stack_vm ? 0 : now - __sync_lock_test_and_set(&account->stack_vm, now);
}

/* The caller holds the lock of the account's address space. */
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

/* Ends the thread's call. Returns the change that it made, and the break before it. */
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
	/* All fields are read before the entry is marked as unused. */
	__s64 delta = *(volatile __s64 *)&change->delta;
	*(volatile __u32 *)&change->tid = 0;
	return delta;
}

/*
 * Counts in one slot for each pair of call and errno, as long as slots are free. The function is
 * neither static nor inlined, so the verifier checks the loop once instead of once for each path to
 * it.
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

	/*
	 * The check and the access must use the same register: the verifier of 6.1 forgets the
	 * bounds of values that were on the stack.
	 */
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
	/* Set after all the counters that it announces. */
	*(volatile __u64 *)&account->has_news = 1;
}

#endif
