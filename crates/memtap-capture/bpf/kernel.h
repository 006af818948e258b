/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Kernel types, reduced to the fields that memtap reads. CO-RE relocates each access to the field
 * in the running kernel (preserve_access_index), so the order of fields and all other fields do not
 * matter.
 */
#ifndef MEMTAP_KERNEL_H
#define MEMTAP_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
};

#define NULL ((void *)0)
#define offsetof(type, field) __builtin_offsetof(type, field)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define true 1
#define false 0
#define CLONE_THREAD 0x00010000
#define TS_COMPAT 0x0002
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
/* include/linux/pid.h: kinds of ids of a process */
#define PIDTYPE_SID 3

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* arch/x86/include/asm/ptrace.h */
struct pt_regs {
	unsigned long r10, r9, r8, r11, bx, bp, ax, cx, dx, si, di, orig_ax;
};

/* Since kernel 6.2: a percpu_counter for each kind of page */
struct percpu_counter {
	__s64 count;
	__s32 *counters;
};

struct mm_struct {
	unsigned long total_vm;
	unsigned long stack_vm;
	unsigned long hiwater_rss;
	unsigned long brk;
	struct percpu_counter rss_stat[4];
	struct task_struct *owner;
};

/* Kernel 6.1 and before: a struct of four atomics */
struct mm_rss_stat___old {
	__s64 count[4];
};

struct mm_struct___old {
	struct mm_rss_stat___old rss_stat;
};

struct list_head {
	struct list_head *next;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[0];
};

struct signal_struct {
	struct {
		int counter;
	} live;
	int nr_threads;
	struct list_head thread_head;
	struct pid *pids[4];
	unsigned long min_flt;
	unsigned long maj_flt;
	unsigned long maxrss;
};

struct css_set {
	int nr_tasks;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct path f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct cred {
	struct {
		__u32 val;
	} uid;
};

struct thread_info {
	__u32 status;
};

struct task_struct {
	struct thread_info thread_info;
	int pid;
	int tgid;
	__u64 start_boottime;
	char comm[16];
	struct mm_struct *mm;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct signal_struct *signal;
	const struct cred *real_cred;
	struct pid *thread_pid;
	struct list_head thread_node;
	unsigned long min_flt;
	unsigned long maj_flt;
	struct css_set *cgroups;
	struct files_struct *files;
};

struct linux_binprm {
	char *buf;
};

struct seq_file {
	void *private;
};

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

/* kernel/bpf/arraymap.c: the per-CPU pointers of a per-CPU array */
struct bpf_array {
	void *pptrs[0];
};

#pragma clang attribute pop

#endif
