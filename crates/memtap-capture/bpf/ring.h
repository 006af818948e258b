/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The ring, its rooms, and the count of what did not fit. */
#ifndef MEMTAP_RING_H
#define MEMTAP_RING_H

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} ring SEC(".maps");

/* Bytes of unread records from which on requests are lost: the rest is for forks, execs, exits and readings. */
const volatile __u64 room_for_requests = 0;

enum lost {
	LOST_REQUESTS,		/* the ring had no room for a request */
	LOST_LIFECYCLE,		/* it had none for a fork, exec, exit or reading */
	LOST_NAMES,		/* it had none for a change of name: which name asked is then known less finely */
	LOST_NO_ACCOUNT,	/* requests of processes for which the map of accounts has no room */
	LOST_CAUSES,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOST_CAUSES);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void lose(__u32 cause)
{
	__u64 *count = bpf_map_lookup_elem(&lost, &cause);

	if (count)
		*count += 1;
}

static __always_inline bool requests_have_room(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) <= room_for_requests;
}

/* The size must be a constant for the verifier, so this cannot be a function. */
#define RESERVE(type, cause) \
	({ \
		type *record = bpf_ringbuf_reserve(&ring, sizeof(type), 0); \
		if (!record) \
			lose(cause); \
		record; \
	})

#define SUBMIT(record) bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP)

#endif
