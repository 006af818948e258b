/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What is watched: all processes, or those of a set; and which of their requests are told. Without a filter nothing of this is left once loaded. */
#ifndef MEMTAP_WATCH_H
#define MEMTAP_WATCH_H

/* Set by the loader: whether only the processes of the set are watched, and whether their children join it. */
const volatile bool only_watched = false, children_join = false;
/* Requests for less are not told, nor those that were granted, nor those of rows that are 0 here; the books have them all the same. */
const volatile __u64 least_bytes = 0;
const volatile bool refused_only = false, some_rows = false;
const volatile __u8 told_rows[MEMTAP_CALLS] = {};

/* By tgid. The loader puts the first in; the end of a process takes it out, so that the next with its number is not taken for it. */
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

/* Whether a child that has just been born is watched from here on. */
static __always_inline bool joins(__u32 parent, __u32 child)
{
	__u8 one = 1;

	if (!only_watched)
		return true;
	if (!children_join || !is_watched(parent))
		return false;
	if (bpf_map_update_elem(&watched, &child, &one, BPF_ANY)) {
		lose(LOST_NO_ACCOUNT);
		return false;
	}
	return true;
}

static __always_inline void unwatch(__u32 tgid)
{
	if (only_watched)
		bpf_map_delete_elem(&watched, &tgid);
}

static __always_inline bool is_told(__u32 row, __u32 errno, __u64 requested)
{
	__u64 index = row;

	/* As in count_request. */
	barrier_var(index);
	if (some_rows && (index >= MEMTAP_CALLS || !told_rows[index]))
		return false;
	return requested >= least_bytes && (errno || !refused_only);
}

#endif
