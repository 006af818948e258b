/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Filter: which processes are watched (all, or a set that may be chosen by name), and which of
 * their requests are reported. Without a filter, none of this code remains after loading.
 */
#ifndef MEMTAP_WATCH_H
#define MEMTAP_WATCH_H

/*
 * Set by the loader: only processes in the set are watched; children of watched processes join it.
 */
const volatile bool only_watched = false, children_join = false;
/*
 * If the length is not 0, a process is watched when the name of one of its threads contains this
 * text, in lower case. User space matches the complete pattern against the name of each thread.
 */
#define COMM 16
const volatile __u8 name_part[COMM] = {};
const volatile __u32 name_part_length = 0;
/*
 * Requests that are not reported: those for fewer than least_bytes, granted ones if refused_only is
 * set, and those of rows that are 0 in told_rows if some_rows is set. The books include them.
 */
const volatile __u64 least_bytes = 0;
const volatile bool refused_only = false, some_rows = false;
const volatile __u8 told_rows[MEMTAP_CALLS] = {};

/*
 * Watched processes by tgid. The loader inserts the first ones. A process is removed when it ends,
 * so that the next one with its pid is not watched by mistake.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, __u8);
} watched SEC(".maps");

static __always_inline bool is_watched(__u32 tgid)
{
	return !only_watched || bpf_map_lookup_elem(&watched, &tgid);
}

static __always_inline bool watch(__u32 tgid)
{
	__u8 one = 1;

	if (bpf_map_update_elem(&watched, &tgid, &one, BPF_ANY)) {
		lose(LOST_NO_ACCOUNT);
		return false;
	}
	return true;
}

struct name {
	__u8 bytes[2 * COMM];	/* followed by zeros, so the text can be compared from each position */
	bool has_part;
};

static long look_from(__u32 at, struct name *name)
{
	if (at >= COMM)
		return 1;
	/* Bytes outside ASCII are displayed in an escaped form, which the pattern may match. */
	name->has_part = name->bytes[at] >= 0x80;
	for (__u32 i = 0; i < COMM && !name->has_part; i++) {
		__u8 letter = name->bytes[at + i];

		if (letter >= 'A' && letter <= 'Z')
			letter += 'a' - 'A';
		if (i < name_part_length && letter != name_part[i])
			return 0;
		name->has_part = i + 1 >= name_part_length;
	}
	return name->has_part;
}

/* Returns whether the pattern may match the name. */
static __always_inline bool has_part(const void *comm)
{
	struct name name = {};

	bpf_probe_read_kernel_str(name.bytes, COMM, comm);
	bpf_loop(COMM, look_from, &name, 0);
	return name.has_part;
}

/* Watches the process of a thread that has this name from now on, or had it when memtap started. */
static __always_inline void watch_if_named(__u32 tgid, const void *comm)
{
	if (name_part_length && !is_watched(tgid) && has_part(comm))
		watch(tgid);
}

/* Returns whether a new child is watched. `comm` is its first name. */
static __always_inline bool joins(__u32 parent, __u32 child, const void *comm)
{
	if (!only_watched)
		return true;
	if (name_part_length ? !has_part(comm) : !children_join || !is_watched(parent))
		return false;
	return watch(child);
}

static __always_inline void unwatch(__u32 tgid)
{
	if (only_watched)
		bpf_map_delete_elem(&watched, &tgid);
}

static __always_inline bool is_told(__u32 row, __u32 errno, __u64 requested)
{
	__u64 index = row;

	/* For the reason given in count_request. */
	barrier_var(index);
	if (some_rows && (index >= MEMTAP_CALLS || !told_rows[index]))
		return false;
	return requested >= least_bytes && (errno || !refused_only);
}

#endif
