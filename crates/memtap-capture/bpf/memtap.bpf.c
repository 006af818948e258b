// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * memtap's kernel side. It keeps an account for each process (account.h) and reports to user space
 * through one ring (ring.h, record.h): every memory request that returns from the kernel, and every
 * fork, exec, exit and change of name. On demand, it also puts the state of every process into the
 * same ring (state.h), so that all records are in one order. With a filter (watch.h), it reports
 * the watched processes only.
 *
 * Four rules keep the books correct:
 * - A record's state contains every call that precedes it in the ring. The account is updated
 *   first, then space in the ring is reserved, and the state is read last.
 * - A change of the virtual size is booked by the thread that made it, while it holds the lock that
 *   guards the size (on_locked, on_released). If the kernel does not show the lock, the next call
 *   that returns books the change.
 * - Requests may not use the last part of the ring. A full ring therefore loses requests, which the
 *   account counts, but no fork, exec or exit.
 * - User space polls. It is woken only if the ring would fill up before the next poll.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "record.h"
#include "ring.h"
#include "resident.h"
#include "account.h"
#include "state.h"
#include "call.h"
#include "stream.h"
#include "watch.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* True if on_locked and on_released are attached, so that the changes of each thread are known. */
const volatile bool own_changes = false;

/*
 * Without the lock hooks, a change since the last call returned is booked to this call, except for
 * growth of the stack. A refused call changes nothing: any change belongs to a call that has not
 * returned yet. Pages.
 */
static __always_inline __s64 change_since_last(struct account *account, struct mm_struct *mm, bool moved)
{
	__s64 stack = stack_not_booked(account, mm), change;

	/*
	 * In a shared space, it is unknown whose stack grew, so the growth is booked to the next
	 * call that returns.
	 */
	if (stack && !account->shares)
		book(account, BY_STACK, stack, mm->total_vm);
	if (!moved)
		return 0;
	change = not_booked(account, mm);
	if (change)
		book(account, BY_REQUEST, change, mm->total_vm);
	return change;
}

static __always_inline void returned(struct task_struct *task, struct mm_struct *mm, struct account *account, struct call *call)
{
	__u64 requested, flags, brk_before = account->brk;
	__s64 delta = 0;
	__u8 size;
	__u32 errno;
	bool told = false;

	if (call->row >= MEMTAP_CALLS)
		return;
	size = sizes[call->row];
	errno = errno_of(call, size);
	if (own_changes) {
		delta = end_of_call(account, task, &brk_before);
	} else if (account->mm == (__u64)mm) {
		delta = change_since_last(account, mm, !errno && moves[call->row]);
		account->brk = mm->brk;
	}
	requested = requested_bytes(call, size, errno && size == MEMTAP_SIZE_BREAK ? call->ret : brk_before, delta);
	/* For brk, only growth counts as requested. */
	count_request(account, call->row, errno, size == MEMTAP_SIZE_BREAK && delta < 0 ? 0 : requested);
	if (!is_told(call->row, errno, requested))
		return;
	flags = look(&account->glance) ? submission(account->glance.unread) : BPF_RB_NO_WAKEUP;
	if (account->glance.unread <= room_for_requests) {
		if (unlikely(call->row == row_mmap && !errno && !(call->args[3] & MAP_ANONYMOUS)))
			told = tell_file_request(task, call, account, delta, requested, flags);
		else
			told = tell_request(task, call, account, delta, requested, flags);
	}
	if (unlikely(!told)) {
		add(&account->books.lost, 1);
		lose(LOST_REQUESTS);
		if (flags == BPF_RB_FORCE_WAKEUP)
			wake();
	}
}

/* True after the first complete reading of all processes. */
bool all_read_once = false;

static __always_inline int came_back(struct pt_regs *regs, __s64 answer)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct account *account;
	struct call call = {};
	__u64 number = regs->orig_ax;
	__u32 row;

	/* Most calls return here, because neither table contains their number. */
	if (number >= NUMBERS || !(calls_64[number] | calls_32[number]))
		return 0;
	task = bpf_get_current_task_btf();
	/*
	 * Read once: for each pointer out of a task, and on each path to it, the verifier of 6.3 to
	 * 6.18 searches all names of its types.
	 */
	mm = task->mm;
	if (!mm || !is_watched(task->tgid))
		return 0;
	call.compat = is_compat(task);
	row = row_of(regs, number, call.compat);
	if (!row)
		return 0;
	account = account_of(task->tgid);
	/*
	 * Until the first reading of all processes is complete, requests of a process without an
	 * account are part of its opening. After that, only a process that the iterator does not
	 * show has none.
	 */
	if (unlikely(!account)) {
		if (!all_read_once)
			return 0;
		account = open_account(task, mm);
		if (!account) {
			lose(LOST_NO_ACCOUNT);
			return 0;
		}
	}
	call.row = row - 1;
	if (unlikely(call.compat))
		arguments_32(&call, regs, number, answer);
	else
		arguments_64(&call, regs, answer);
	returned(task, mm, account, &call);
	return 0;
}

/*
 * Every system call of every task runs this program, including calls that memtap does not follow.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	return came_back(regs, regs->ax);
}

/* One function for all fexit programs. The verifier checks it with each of them. */
static __noinline int function_came_back(struct pt_regs *regs, __s64 answer)
{
	return came_back(regs, answer);
}

/*
 * If the kernel allows hooks on the functions of memory calls, other calls have no overhead. The
 * functions are those of the system call tables (arch/x86/include/asm/syscall_wrapper.h). The
 * loader skips functions that the running kernel does not have.
 */
#define FUNCTION(name) \
	SEC("fexit/" #name) \
	int BPF_PROG(fx_##name, struct pt_regs *regs, long ret) \
	{ \
		return function_came_back(regs, ret); \
	}
#define BOTH(name) FUNCTION(__x64_sys_##name) FUNCTION(__ia32_sys_##name)

FUNCTION(__x64_sys_mmap)
FUNCTION(__ia32_sys_mmap_pgoff)
FUNCTION(__ia32_compat_sys_ia32_mmap)
BOTH(munmap)
BOTH(mremap)
BOTH(brk)
BOTH(mprotect)
BOTH(pkey_mprotect)
BOTH(madvise)
BOTH(process_madvise)
BOTH(mlock)
BOTH(mlock2)
BOTH(munlock)
BOTH(mlockall)
/* A call without arguments has one function for both kinds of callers. */
FUNCTION(__x64_sys_munlockall)
FUNCTION(__x64_sys_shmat)
FUNCTION(__ia32_compat_sys_shmat)
FUNCTION(__ia32_compat_sys_ipc)
BOTH(shmdt)
BOTH(remap_file_pages)
BOTH(memfd_create)
BOTH(userfaultfd)
BOTH(mseal)

/*
 * Returns the process whose books cover the address space: that of the thread, or the space's owner
 * if the thread works on the memory of another process.
 */
static __always_inline __u32 owner_of(struct task_struct *task, struct mm_struct *mm)
{
	if (task->mm != mm && bpf_core_field_exists(mm->owner))
		return BPF_CORE_READ(mm, owner, tgid);
	return task->tgid;
}

static __always_inline struct account *account_of_space(struct task_struct *task, struct mm_struct *mm)
{
	struct account *account = account_of(owner_of(task, mm));

	/*
	 * Excludes the new image that exec is still building, and the space of a child that is not
	 * complete yet.
	 */
	return account && account->mm == (__u64)mm ? account : NULL;
}

/*
 * Returns row + 1 of the call in which the thread locks its own address space, if that call may
 * change the virtual size; otherwise 0.
 */
static __always_inline __u32 moving_row(struct task_struct *task, struct mm_struct *mm)
{
	struct pt_regs *regs;
	__u32 row;

	if (task->mm != mm)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	row = row_of(regs, regs->orig_ax, is_compat(task));
	return row && row <= MEMTAP_CALLS && moves[row - 1] ? row : 0;
}

/*
 * An address space was locked for writing (include/linux/mmap_lock.h; the tracepoint has these
 * arguments since 6.14). The holder may free resident memory and move the break, so both are
 * recorded now.
 */
SEC("tp_btf/mmap_lock_acquire_returned")
int BPF_PROG(on_locked, struct mm_struct *mm, bool write, bool success)
{
	struct account *account;

	if (!write || !success)
		return 0;
	account = account_of_space(bpf_get_current_task_btf(), mm);
	if (!account)
		return 0;
	raise(&account->peak_resident, resident_nearly(mm));
	account->brk = mm->brk;
	return 0;
}

/*
 * A stack also grows under the lock, but the thread that grows it releases the lock as a reader,
 * next to other readers. Returns the growth in pages to only one of them. In a shared space, the
 * growth may belong to another process that has booked it already.
 */
static __always_inline __s64 take_stack_growth(struct account *account, struct mm_struct *mm)
{
	__u64 booked = account->stack_vm, now = mm->stack_vm;
	__s64 grown = now - booked;

	if (grown <= 0 || __sync_val_compare_and_swap(&account->stack_vm, booked, now) != booked)
		return 0;
	return account->shares && not_booked(account, mm) < grown ? 0 : grown;
}

/*
 * Only the thread that holds the lock for writing may change the virtual size, so a change that is
 * not booked when it releases the lock is its own. munmap, mremap and brk downgrade to readers
 * first, and change the size then. Other readers change nothing but their stacks, but they may see
 * changes that those calls have not booked yet.
 */
SEC("tp_btf/mmap_lock_released")
int BPF_PROG(on_released, struct mm_struct *mm, bool write)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct account *account = account_of_space(task, mm);
	__s64 change;
	__u32 row;

	/* Most threads take the lock for other reasons. */
	if (!account || (mm->stack_vm == account->stack_vm && !not_booked(account, mm)))
		return 0;
	row = moving_row(task, mm);
	if (!write || !row) {
		change = take_stack_growth(account, mm);
		if (change)
			book(account, BY_STACK, change, mm->total_vm);
	}
	if (!write && (!row || row == row_mmap + 1))
		return 0;
	change = not_booked(account, mm);
	if (!change)
		return 0;
	if (row) {
		add_to_call(account, task, change);
		book(account, BY_REQUEST, change, mm->total_vm);
	} else {
		book(account, BY_KERNEL, change, mm->total_vm);
	}
	/* Stacks that a call created or removed did not grow. */
	account->stack_vm = mm->stack_vm;
	return 0;
}

/* Runs after the new image has been mapped (fs/exec.c, exec_binprm). */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct mm_struct *mm = task->mm;
	__u32 tgid = task->tgid;
	struct account *account = account_of(tgid);
	struct kin kin;

	if (!mm || !is_watched(tgid))
		return 0;
	/*
	 * exec ended all other threads, so this name alone decides whether the process is watched.
	 */
	if (name_part_length && !has_part(task->comm)) {
		unwatch(tgid);
		if (account)
			leave(account);
		close_account(tgid);
		return 0;
	}
	if (account) {
		leave(account);
		account->books.exec += mm->total_vm - virtual(account);
		account->under_way.tid = 0;
		account->stack_vm = mm->stack_vm;
		account->brk = mm->brk;
		account->mm = (__u64)mm;
		raise(&account->peak_virtual, mm->total_vm);
	} else {
		account = open_account(task, mm);
	}
	kin = kin_of(MEMTAP_EXEC, task);
	tell_state(MEMTAP_EXEC, &kin, mm, account);
	return 0;
}

/* Runs after dup_mm (kernel/fork.c, copy_process). */
SEC("tp_btf/task_newtask")
int BPF_PROG(on_fork, struct task_struct *task, unsigned long clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct account *child, *account;
	struct kin kin;

	if ((clone_flags & CLONE_THREAD) || !mm || !joins(parent->tgid, task->tgid, task->comm))
		return 0;
	child = open_account(task, mm);
	account = parent->mm == mm ? account_of(parent->tgid) : NULL;
	if (child && account)
		share(account, child);
	kin = kin_of(MEMTAP_FORK, task);
	tell_state(MEMTAP_FORK, &kin, mm, child);
	return 0;
}

/*
 * Runs for every thread. The last thread of a process is found by the count of live threads, which
 * the kernel has already decremented (kernel/exit.c, do_exit). Since 6.13, the memory is still
 * there; before 6.13, it has been released.
 */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	struct mm_struct *mm = task->mm;
	struct account *account;
	struct kin kin;

	if (BPF_CORE_READ(task, signal, live.counter) != 0 || !is_watched(tgid))
		return 0;
	unwatch(tgid);
	account = account_of(tgid);
	if (!account && !mm)
		return 0;
	/* A thread that was killed during a call never returned from it. */
	if (account && mm && !own_changes && account->mm == (__u64)mm)
		change_since_last(account, mm, true);
	kin = kin_of(MEMTAP_EXIT, task);
	tell_state(MEMTAP_EXIT, &kin, mm, account);
	if (account)
		leave(account);
	close_account(tgid);
	return 0;
}

/*
 * Runs before the name changes (fs/exec.c, __set_task_comm), by exec or by the program itself.
 * Requests up to now belong to the old name. A program may rename itself as often as it likes, so
 * renames use the requests' part of the ring.
 */
SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *task, const char *comm)
{
	struct memtap_rename *rename;
	struct account *account;

	watch_if_named(task->tgid, comm);
	if (task->pid != task->tgid)
		return 0;
	account = account_of(task->tgid);
	if (!account)
		return 0;
	if (unread() > room_for_requests) {
		lose(LOST_NAMES);
		return 0;
	}
	tell_tally(account, task->tgid);
	rename = RESERVE(struct memtap_rename, LOST_NAMES);
	if (!rename)
		return 0;
	rename->kind = MEMTAP_RENAME;
	rename->tgid = task->tgid;
	bpf_probe_read_kernel_str(rename->comm, sizeof(rename->comm), comm);
	SUBMIT(rename);
	return 0;
}

static __always_inline void tell_oom(struct task_struct *victim)
{
	struct memtap_oom *oom = RESERVE(struct memtap_oom, LOST_LIFECYCLE);
	struct task_struct *asker;
	struct mm_struct *mm;

	/* Checked immediately: the verifier of 6.1 forgets the pointer's type otherwise. */
	if (!oom)
		return;
	asker = bpf_get_current_task_btf();
	mm = victim->mm;
	oom->kind = MEMTAP_OOM;
	oom->tgid = victim->tgid;
	oom->asker = asker->tgid;
	oom->time_ns = bpf_ktime_get_boot_ns();
	oom->total_vm = mm ? mm->total_vm : 0;
	if (mm)
		read_resident(oom->resident, mm);
	else
		__builtin_memset(oom->resident, 0, sizeof(oom->resident));
	bpf_probe_read_kernel(oom->comm, sizeof(oom->comm), BPF_CORE_READ(victim, group_leader)->comm);
	bpf_probe_read_kernel(oom->asker_comm, sizeof(oom->asker_comm), BPF_CORE_READ(asker, group_leader)->comm);
	SUBMIT(oom);
}

/*
 * Runs in the task that could not get a page (mm/oom_kill.c, mark_oom_victim; the tracepoint has
 * these arguments since 6.9).
 */
SEC("tp_btf/mark_victim")
int BPF_PROG(on_oom, struct task_struct *victim, __u32 uid)
{
	if (is_watched(victim->tgid))
		tell_oom(victim);
	return 0;
}

/* Without on_locked, this finds stacks that grew since the last call returned. */
static __always_inline void find_stack_growth(struct account *account, struct mm_struct *mm)
{
	if (own_changes || account->mm != (__u64)mm)
		return;
	change_since_last(account, mm, false);
}

/* Between on_exit and the end of its last thread, a process still has its memory. */
static __always_inline bool has_ended(struct kin *kin)
{
	return *(volatile int *)&kin->signal->live.counter == 0;
}

/*
 * Puts the states of all processes with memory into the ring. One byte is written for each process,
 * so a read of a few bytes reports a few processes.
 */
SEC("iter/task")
int read_processes(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct memtap_all_read *all_read;
	struct account *account;
	struct mm_struct *mm;
	struct kin kin;
	__u8 one = 1;

	if (context->meta->seq_num == 0)
		find_offsets();
	if (!task) {
		all_read_once = true;
		all_read = RESERVE(struct memtap_all_read, LOST_LIFECYCLE);
		if (all_read) {
			all_read->kind = MEMTAP_ALL_READ;
			SUBMIT(all_read);
		}
		return 0;
	}
	/* If the first thread has ended, any other thread represents the process. */
	kin = kin_of(MEMTAP_SNAPSHOT, task);
	mm = task->mm;
	if (mm && !all_read_once)
		watch_if_named(task->tgid, task->comm);
	if (!mm || (task != kin.leader && kin.leader->mm) || !is_watched(task->tgid) || has_ended(&kin))
		return 0;
	account = account_of(task->tgid);
	if (!account) {
		account = open_account(task, mm);
		/* on_exit may have looked for the account before it was opened. */
		if (account && has_ended(&kin)) {
			close_account(task->tgid);
			return 0;
		}
	}
	if (account)
		find_stack_growth(account, mm);
	tell_state(MEMTAP_SNAPSHOT, &kin, mm, account);
	bpf_seq_write(context->meta->seq, &one, sizeof(one));
	return 0;
}
