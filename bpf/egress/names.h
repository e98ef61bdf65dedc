// SPDX-License-Identifier: MIT OR Apache-2.0
// What an answer says of addresses is learned here, before the answer is read by whoever asked: he may connect at once.
// User space learns from it, too, and from what is not looked at here: aliases, answers over TCP, odd patterns.

#pragma once

#include "rules.h"

enum { MOST_NAME = 256, MOST_SUFFIX = 64, MOST_LABELS = 128, MOST_RECORDS = 64, MOST_MATCHES = 8 };

// How names end that a rule is for, as they are on the wire, in small letters.
struct pattern {
	__u32 name; // the number of the rule's names
	__u8 length;
	__u8 below; // something has to come before
	__u8 unused[2];
	__u8 suffix[MOST_SUFFIX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MOST_RULES);
	__type(key, __u32);
	__type(value, struct pattern);
} patterns SEC(".maps");

// What is known of the answer that is looked at.
struct reading {
	__u8 name[MOST_NAME]; // the name that was asked for
	__u8 starts[MOST_NAME]; // whether a label begins there
	__u32 at; // in the name
	__u32 length; // of the name, with its end; 0 while that is not known
	__u32 matches[MOST_MATCHES];
	__u32 count; // of the matches
	__u32 offset; // in the packet
	struct __sk_buff *skb;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reading);
} readings SEC(".maps");

static __always_inline struct reading *get_reading(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&readings, &zero);
}

static __always_inline __u8 lower(__u8 letter)
{
	return letter >= 'A' && letter <= 'Z' ? letter + 32 : letter;
}

static long read_label(__u32 index, void *context)
{
	struct reading *reading = get_reading();
	__u32 at;
	__u8 length;

	if (!reading)
		return 1;
	at = reading->at & (MOST_NAME - 1);
	length = reading->name[at];
	reading->starts[at] = 1;
	if (!length)
		reading->length = at + 1;
	reading->at = at + 1 + length;
	return !length || length > 63 || reading->at >= MOST_NAME;
}

struct comparison {
	const struct pattern *pattern;
	__u32 offset;
	__u32 differs;
};

static long compare(__u32 index, struct comparison *comparison)
{
	struct reading *reading = get_reading();
	__u8 letter;

	if (!reading)
		return 1;
	letter = reading->name[(comparison->offset + index) & (MOST_NAME - 1)];
	comparison->differs = lower(letter) != comparison->pattern->suffix[index & (MOST_SUFFIX - 1)];
	return comparison->differs;
}

static long match(__u32 index, void *context)
{
	struct pattern *pattern = bpf_map_lookup_elem(&patterns, &index);
	struct reading *reading = get_reading();
	struct comparison comparison = { .pattern = pattern };
	__u32 offset;

	if (!pattern || !reading)
		return 1;
	offset = reading->length - pattern->length;
	if (pattern->length > reading->length || (offset != 0) != pattern->below ||
	    !reading->starts[offset & (MOST_NAME - 1)])
		return 0;
	comparison.offset = offset;
	bpf_loop(pattern->length, compare, &comparison, 0);
	if (!comparison.differs) {
		reading->matches[reading->count & (MOST_MATCHES - 1)] = pattern->name;
		reading->count++;
	}
	return reading->count >= MOST_MATCHES;
}

static __always_inline void learn(const struct reading *reading, const __u8 *address, __u32 family)
{
	struct learned key = { .family = family };
	__u32 one = 1;

	__builtin_memcpy(key.address, address, family == AF_INET ? 4 : 16);
	for (int i = 0; i < MOST_MATCHES; i++) {
		if (i >= reading->count)
			break;
		key.name = reading->matches[i];
		bpf_map_update_elem(&learned, &key, &one, BPF_ANY);
	}
}

// The fixed part of a resource record.
struct record {
	__be16 type;
	__be16 class;
	__be16 ttl[2]; // for it is not aligned
	__be16 length;
};

static long read_record(__u32 index, struct __sk_buff **skb)
{
	enum { A = 1, AAAA = 28 };
	struct reading *reading = get_reading();
	struct record record;
	__u8 address[16];
	__u8 byte;

	if (!reading)
		return 1;
	// Whom it is about: nearly always the place where that was said before.
	for (int i = 0; i < 16; i++) {
		if (bpf_skb_load_bytes(*skb, reading->offset, &byte, 1))
			return 1;
		reading->offset += byte >= 0xc0 ? 2 : byte + 1;
		if (!byte || byte >= 0xc0)
			break;
	}
	if (bpf_skb_load_bytes(*skb, reading->offset, &record, sizeof(record)))
		return 1;
	reading->offset += sizeof(record);
	if (record.type == bpf_htons(A) && record.length == bpf_htons(4) &&
	    !bpf_skb_load_bytes(*skb, reading->offset, address, 4))
		learn(reading, address, AF_INET);
	if (record.type == bpf_htons(AAAA) && record.length == bpf_htons(16) &&
	    !bpf_skb_load_bytes(*skb, reading->offset, address, 16))
		learn(reading, address, AF_INET6);
	reading->offset += bpf_ntohs(record.length);
	return 0;
}

// The header of a message about names.
struct message_header {
	__be16 id;
	__u8 flags[2];
	__be16 questions;
	__be16 answers;
};

static __noinline int learn_from(struct __sk_buff *skb, __u32 payload, __u32 count)
{
	enum { HEADER = 12, IS_ANSWER = 0x80, CODE = 0x0f };
	struct reading *reading = get_reading();
	struct message_header header;
	__u32 length;

	if (!reading || bpf_skb_load_bytes(skb, payload, &header, sizeof(header)) || !(header.flags[0] & IS_ANSWER) ||
	    header.flags[1] & CODE || header.questions != bpf_htons(1))
		return 0;
	payload += HEADER;
	length = skb->len - payload;
	if (payload >= skb->len)
		return 0;
	if (length > MOST_NAME)
		length = MOST_NAME;
	__builtin_memset(reading, 0, sizeof(*reading));
	// The verifier has to see the bounds where they are needed.
	asm volatile("" : "+r"(length));
	if (!length || length > MOST_NAME)
		return 0;
	if (bpf_skb_load_bytes(skb, payload, reading->name, length))
		return 0;
	bpf_loop(MOST_LABELS, read_label, 0, 0);
	if (!reading->length)
		return 0;
	bpf_loop(count, match, 0, 0);
	if (!reading->count)
		return 0;
	// Behind the name stand its type and its class.
	reading->offset = payload + reading->length + 4;
	count = bpf_ntohs(header.answers);
	bpf_loop(count < MOST_RECORDS ? count : MOST_RECORDS, read_record, &skb, 0);
	return 0;
}
