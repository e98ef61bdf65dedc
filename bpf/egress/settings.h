// SPDX-License-Identifier: MIT OR Apache-2.0
// What user space says.

#pragma once

#include "../kernel.h"

struct settings {
	__u32 spawner;  // the thread whose next children are the command; 0 for none
	__u32 packets;  // whether all packets are wanted, and not only those that name somebody
	__u32 rules;    // how many there are; 0 if nothing is refused
	__u32 patterns; // how many of names
	__u32 loopback; // whether TCP connections over loopback are told
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

static __always_inline const struct settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

// Local sockets that are watched, by inode and device: those of container engines and of those who resolve names.
struct node {
	__u64 inode;
	__u64 device;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct node);
	__type(value, __u32);
} services SEC(".maps");
