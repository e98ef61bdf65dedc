// SPDX-License-Identifier: MIT OR Apache-2.0
// What is told; src/egress/event.rs reads it.

#pragma once

#include "../kernel.h"

enum kind {
	FORKED = 1,    // a watched process made another
	EXECUTED = 2,  // it runs another program
	EXITED = 3,
	BEGUN = 4,     // it tries to reach somebody
	CONNECTED = 5, // the other side answered
	FAILED = 6,    // it did not work, and the error says why
	REFUSED = 7,   // by the rules
	CLOSED = 8,    // the socket is gone
	DROPPED = 10,  // a firewall of this host dropped the packet
	SERVICE = 9,   // it asked a service of this host over a local socket; the cookie is its number
};

// Why a process is watched.
enum { OF_COMMAND = 1, OF_ENGINE = 2, CANARY = 4 };

// How an attempt was noticed.
enum {
	BY_NOTHING = 0,       // a socket was closed without it
	BY_CONNECT = 1,       // connect()
	BY_SEND = 2,          // sendto() and its like
	BY_PACKET = 3,        // a packet that left
	BY_PACKET_SOCKET = 4, // a packet that left past the network stack
};

struct event {
	__u64 time;   // CLOCK_MONOTONIC, in nanoseconds
	__u64 cookie; // of the socket
	__u64 bytes_out;
	__u64 bytes_in;
	__u32 kind;
	__u32 pid;
	__u32 parent;
	__s32 error; // an errno, without its sign
	__u16 port;
	__u16 local_port;
	__u16 protocol;
	__u8 family;
	__u8 how;
	__u8 reason; // why the process is watched
	__u8 unused[7];
	__u8 address[16]; // IPv4 in the first four bytes
	__u8 local[16];
	char name[16];
};
_Static_assert(sizeof(struct event) == 112, "nothing is between the fields");

enum { ARGUMENTS = 512, GROUP = 80 };

// What a process is now, beside an event.
struct execution {
	struct event event;
	__u32 length; // of the arguments
	__u32 unused;
	char arguments[ARGUMENTS];
	// The names of its control group and of the one around it: in version 2, and of the memory controller.
	char groups[2][2][GROUP];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

// What was not told: events that did not fit, processes that there was no room for, packets that did not fit.
enum loss { LOST_EVENTS, LOST_PROCESSES, LOST_PACKETS, LOSSES };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void lose(__u32 what)
{
	__u64 *count = bpf_map_lookup_elem(&lost, &what);

	if (count)
		__sync_fetch_and_add(count, 1);
}
