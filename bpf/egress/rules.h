// SPDX-License-Identifier: MIT OR Apache-2.0
// What is refused: rules, as src/egress/enforcement.rs writes them.

#pragma once

#include "attempts.h"

enum { MOST_RULES = 1024 };
enum { ALLOW = 1, DENY = 2 };

struct rule {
	__u64 address[2];
	__u64 address_mask[2];
	__u64 process[2]; // its name
	__u64 process_mask[2];
	__u32 name; // 0 for none, else a number under which its addresses are learned
	__u16 first_port;
	__u16 last_port;
	__u8 family; // 0 for any address
	__u8 action;
	__u8 protocol; // 0 for any
	__u8 unused[5];
};
_Static_assert(sizeof(struct rule) == 80, "nothing is between the fields");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MOST_RULES);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct learned {
	__u32 name;
	__u32 family;
	__u8 address[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct learned);
	__type(value, __u32);
} learned SEC(".maps");

// Answers about names: how many packets with some have arrived, and how many of them user space has looked at.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} answers SEC(".maps"), learned_answers SEC(".maps");

static __always_inline int are_answers_open(void)
{
	__u32 zero = 0;
	__u64 *arrived = bpf_map_lookup_elem(&answers, &zero);
	volatile __u64 *looked_at = bpf_map_lookup_elem(&learned_answers, &zero);

	return arrived && looked_at && *looked_at < *arrived;
}

struct judged {
	__u64 address[2];
	__u64 process[2];
	const struct peer *peer;
	__u32 verdict; // ALLOW if a rule allows it, DENY if one denies it, 0 if none speaks of it
};

static __always_inline int differ(const __u64 *one, const __u64 *other, const __u64 *mask)
{
	return (((one[0] ^ other[0]) & mask[0]) | ((one[1] ^ other[1]) & mask[1])) != 0;
}

static long judge_by(__u32 index, struct judged *judged)
{
	struct rule *rule = bpf_map_lookup_elem(&rules, &index);
	const struct peer *peer = judged->peer;
	struct learned key = {};

	if (!rule || (rule->protocol && rule->protocol != peer->protocol) || peer->port < rule->first_port ||
	    peer->port > rule->last_port || (rule->family && rule->family != peer->family) ||
	    differ(judged->address, rule->address, rule->address_mask) ||
	    differ(judged->process, rule->process, rule->process_mask))
		return 0;
	if (rule->name) {
		key.name = rule->name;
		key.family = peer->family;
		__builtin_memcpy(key.address, judged->address, sizeof(key.address));
		if (!bpf_map_lookup_elem(&learned, &key))
			return 0;
	}
	judged->verdict = rule->action;
	return rule->action == DENY;
}

static long wait_for_answers(__u32 index, __u64 *until)
{
	return !are_answers_open() || bpf_ktime_get_ns() > *until;
}

// How long an attempt waits for what an answer that has just arrived says of its address, in nanoseconds.
enum { PATIENCE = 20 * 1000 * 1000 };

__noinline int is_refused(const struct peer *peer)
{
	const struct settings *set = get_settings();
	struct judged judged = {};
	__u64 until;

	if (!peer || !set || !set->rules)
		return 0;
	judged.peer = peer;
	__builtin_memcpy(judged.address, peer->address, sizeof(judged.address));
	bpf_get_current_comm(judged.process, sizeof(judged.process));
	bpf_loop(set->rules, judge_by, &judged, 0);
	if (!judged.verdict && are_answers_open()) {
		until = bpf_ktime_get_ns() + PATIENCE;
		bpf_loop(1 << 20, wait_for_answers, &until, 0);
		bpf_loop(set->rules, judge_by, &judged, 0);
	}
	return judged.verdict != ALLOW;
}

// Tells that an attempt is refused: of a datagram socket once for each peer.
static __always_inline void refuse(__u64 cookie, const struct peer *peer, const struct mark *mark, __u32 how)
{
	enum { EPERM = 1, WAS_REFUSED = 2 };
	struct counted none = {}, *counted;
	struct counted_key key;

	if (peer->protocol != IPPROTO_TCP) {
		make_key(&key, cookie, peer);
		bpf_map_update_elem(&peers, &key, &none, BPF_NOEXIST);
		counted = bpf_map_lookup_elem(&peers, &key);
		if (counted && counted->told == WAS_REFUSED)
			return;
		if (counted)
			counted->told = WAS_REFUSED;
	}
	tell(cookie, peer, mark, REFUSED | how << 16, EPERM);
}
