/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* A memory call that returns: which call, its arguments, its return value and its size. */
#ifndef MEMTAP_CALL_H
#define MEMTAP_CALL_H

/*
 * Row + 1 by system call number, 0 for calls that are not followed. The loader fills it from the
 * call table in memtap-model.
 */
#define NUMBERS 512
const volatile __u8 calls_64[NUMBERS] = {};
const volatile __u8 calls_32[NUMBERS] = {};
/* By row: enum memtap_size, and whether the call may change the virtual size. */
const volatile __u8 sizes[MEMTAP_CALLS] = {};
const volatile __u8 moves[MEMTAP_CALLS] = {};
/* Rows with special handling. */
const volatile __u32 row_mmap = 0, row_shmat = 0, row_shmdt = 0;
/*
 * i386's old mmap takes its arguments in memory, and its ipc() combines many calls
 * (arch/x86/kernel/sys_ia32.c, ipc/syscall.c).
 */
const volatile __u32 old_mmap_32 = 90, ipc_32 = 117;
#define IPC_SHMAT 21
#define IPC_SHMDT 22
const volatile __u64 page_size = 4096;
/* One system call that returns. */
struct call {
	__u32 row;
	bool compat;
	__u64 args[MEMTAP_ARGUMENTS];
	__s64 ret;
};

static __always_inline void arguments_64(struct call *call, struct pt_regs *regs, __s64 answer)
{
	call->args[0] = regs->di;
	call->args[1] = regs->si;
	call->args[2] = regs->dx;
	call->args[3] = regs->r10;
	call->args[4] = regs->r8;
	call->ret = answer;
}

static __always_inline void arguments_32(struct call *call, struct pt_regs *regs, __u32 number, __s64 answer)
{
	__u32 in_memory[MEMTAP_ARGUMENTS] = {};

	call->ret = (__s64)(__s32)answer;
	if (call->ret >= 0 || call->ret < -4095)
		call->ret = (__u32)answer;
	if (number == old_mmap_32) {
		bpf_probe_read_user(in_memory, sizeof(in_memory), (void *)(__u64)(__u32)regs->bx);
		for (int i = 0; i < MEMTAP_ARGUMENTS; i++)
			call->args[i] = in_memory[i];
		return;
	}
	call->args[0] = (__u32)regs->bx;
	call->args[1] = (__u32)regs->cx;
	call->args[2] = (__u32)regs->dx;
	call->args[3] = (__u32)regs->si;
	call->args[4] = (__u32)regs->di;
	if (number == ipc_32) {
		/*
		 * ipc(which, id, flags, ., address), decoded as shmat(id, address, flags) or
		 * shmdt(address).
		 */
		call->args[0] = call->row == row_shmdt ? (__u32)regs->di : (__u32)regs->cx;
		call->args[1] = call->row == row_shmdt ? 0 : (__u32)regs->di;
		call->args[3] = call->args[4] = 0;
	}
}

/* Returns row + 1 of the call with these registers, or 0 if it is not followed. */
static __always_inline __u32 row_of(struct pt_regs *regs, __u64 number, bool compat)
{
	if (number >= NUMBERS)
		return 0;
	if (compat && number == ipc_32) {
		__u32 which = (__u16)regs->bx;

		return which == IPC_SHMAT ? row_shmat + 1 : which == IPC_SHMDT ? row_shmdt + 1 : 0;
	}
	return compat ? calls_32[number] : calls_64[number];
}

static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}

/*
 * brk has no errno and returns the current break, so it was refused if that is not the requested
 * one (mm/mmap.c).
 */
static __always_inline __u32 errno_of(struct call *call, __u8 size)
{
	if (size == MEMTAP_SIZE_BREAK)
		return call->args[0] && call->args[0] != call->ret ? 12 : 0;
	return call->ret < 0 && call->ret >= -4095 ? -call->ret : 0;
}

/* A length is unchanged if rounding it up would overflow; the kernel refuses such a call. */
static __always_inline __u64 whole_pages(__u64 bytes)
{
	__u64 up = (bytes + page_size - 1) & ~(page_size - 1);

	return up < bytes ? bytes : up;
}

static __always_inline __u64 break_distance(struct call *call, __u64 before)
{
	__u64 asked = whole_pages(call->args[0]);

	before = whole_pages(before);
	if (!call->args[0])
		return 0;
	return asked > before ? asked - before : before - asked;
}

static __always_inline __u64 requested_bytes(struct call *call, __u8 size, __u64 brk_before, __s64 delta)
{
	if (size == MEMTAP_SIZE_SECOND)
		return whole_pages(call->args[1]);
	if (size == MEMTAP_SIZE_THIRD)
		return whole_pages(call->args[2]);
	if (size == MEMTAP_SIZE_BREAK)
		return break_distance(call, brk_before);
	if (size == MEMTAP_SIZE_DELTA)
		return (delta < 0 ? -delta : delta) * page_size;
	if (size == MEMTAP_SIZE_ANSWER && call->ret > 0)
		return call->ret;
	return 0;
}

#endif
