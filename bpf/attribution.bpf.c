// SPDX-License-Identifier: MIT OR Apache-2.0
// Tells user space which process makes, accepts and uses TCP and UDP sockets, in every network namespace.
//
// Who owns a socket is kept in the socket's own storage, which goes away with it. What happens to it is told once each,
// through a ring buffer; what did not fit is counted. Nothing is changed: every verdict is "go on".

#include "kernel.h"

// --- What is told; src/host/attribution/event.rs reads it ---------------------------------------------------------------

enum kind {
	BOUND = 1,    // it listens, or is bound without a peer
	OPENED = 2,   // this process connects it
	ACCEPTED = 3, // a listener got a connection; the process is that of the listener, 0 if not known
	USED = 4,     // this process sends or receives with it
	CLOSED = 5,   // the kernel is done with it
};

struct process {
	// Its network and its mount namespace, by numbers that are not used again; 0 if the kernel has none.
	__u64 network;
	__u64 mounts;
	__u32 network_inode;
	__u32 mounts_inode;
	__u32 pid;
	__u32 unused;
	char name[16];
};

struct event {
	__u64 time;   // CLOCK_MONOTONIC, in nanoseconds
	__u64 cookie; // of the socket
	__u32 namespace; // inode number of the network namespace that it is in
	__u16 local_port;
	__u16 remote_port;
	__u8 local[16];  // IPv4 in the first four bytes
	__u8 remote[16]; // all zero if there is none
	__u8 kind;
	__u8 protocol;
	__u8 family;
	__u8 unused[5];
	struct process process;
};
_Static_assert(sizeof(struct event) == 112, "nothing is between the fields");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

// How many events did not fit.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

// --- What is remembered of a socket -------------------------------------------------------------------------------------

enum {
	ACTIVE = 1, // it was connected by its process
	TOLD = 2,   // that it exists
	IN_USE = 4, // and who uses it
};

struct owned {
	struct process process;
	__u64 since; // as in struct event
	// The verifier lets nobody compute with pointers to sockets that cgroup programs get. What was written here is a
	// number when it is read, and numbers can be probed.
	__u64 socket;
	__u64 peer; // a digest of the endpoints that were told
	__u64 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	// A connection that a listener gets begins with what is known of the listener.
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owned);
} sockets SEC(".maps");

static __noinline int remember_current(struct owned *owned, __u64 flags)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mnt_namespace *mounts = BPF_CORE_READ(task, nsproxy, mnt_ns);
	struct net *network = BPF_CORE_READ(task, nsproxy, net_ns);

	owned->process.pid = bpf_get_current_pid_tgid() >> 32;
	owned->process.network_inode = BPF_CORE_READ(network, ns.inum);
	owned->process.network = 0;
	if (bpf_core_field_exists(network->net_cookie))
		owned->process.network = BPF_CORE_READ(network, net_cookie);
	owned->process.mounts_inode = BPF_CORE_READ(mounts, ns.inum);
	owned->process.mounts = 0;
	if (bpf_core_field_exists(mounts->seq))
		owned->process.mounts = BPF_CORE_READ(mounts, seq);
	else if (bpf_core_field_exists(mounts->ns.ns_id))
		owned->process.mounts = BPF_CORE_READ(mounts, ns.ns_id);
	bpf_get_current_comm(owned->process.name, sizeof(owned->process.name));
	owned->since = bpf_ktime_get_ns();
	owned->flags = flags;
	return 0;
}

// --- Telling ------------------------------------------------------------------------------------------------------------

static __noinline int tell(const struct sock *sk, const struct owned *owned, __u64 cookie, __u64 time, __u8 kind)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__u32 zero = 0;
		__u64 *count = bpf_map_lookup_elem(&lost, &zero);

		if (count)
			__sync_fetch_and_add(count, 1);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time = time;
	event->cookie = cookie;
	event->kind = kind;
	event->namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	event->protocol = BPF_CORE_READ(sk, sk_protocol);
	event->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	event->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	event->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	// A socket that closes has given its port back already.
	if (!event->local_port)
		event->local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	if (event->family == AF_INET6) {
		BPF_CORE_READ_INTO(&event->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&event->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		BPF_CORE_READ_INTO((__be32 *)event->local, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__be32 *)event->remote, sk, __sk_common.skc_daddr);
	}
	if (owned)
		event->process = owned->process;
	// The reader looks by itself: waking it for each event would cost more than the event.
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline void tell_owned(struct owned *owned, __u64 cookie, __u8 kind)
{
	tell((const struct sock *)owned->socket, owned, cookie, owned->since, kind);
	owned->flags |= TOLD;
}

static __always_inline int is_internet(const struct sock *sk)
{
	return sk->__sk_common.skc_family == AF_INET || sk->__sk_common.skc_family == AF_INET6;
}

// --- TCP ----------------------------------------------------------------------------------------------------------------

// The first and the last two of these happen in the process that asks for it, the others wherever a packet is handled.
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, const struct sock *sk, int before, int after)
{
	struct owned *owned;
	__u64 cookie;

	if (sk->sk_protocol != IPPROTO_TCP || !is_internet(sk))
		return 0;
	if (after == TCP_SYN_SENT || after == TCP_LISTEN) {
		owned = bpf_sk_storage_get(&sockets, (void *)sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!owned)
			return 0;
		remember_current(owned, after == TCP_SYN_SENT ? ACTIVE : 0);
		owned->socket = (__u64)sk;
		// The port of the one that connects is chosen later.
		if (after == TCP_LISTEN)
			tell_owned(owned, bpf_get_socket_cookie((void *)sk), BOUND);
		return 0;
	}
	if (after != TCP_ESTABLISHED && after != TCP_CLOSE)
		return 0;

	owned = bpf_sk_storage_get(&sockets, (void *)sk, 0, 0);
	cookie = bpf_get_socket_cookie((void *)sk);
	if (owned && (owned->flags & (ACTIVE | TOLD)) == ACTIVE)
		tell_owned(owned, cookie, OPENED);
	if (after == TCP_CLOSE) {
		tell(sk, 0, cookie, bpf_ktime_get_ns(), CLOSED);
	} else if (before == TCP_SYN_RECV && !(owned && owned->flags & ACTIVE)) {
		tell(sk, owned, cookie, bpf_ktime_get_ns(), ACCEPTED);
		if (owned)
			owned->flags = TOLD;
	}
	return 0;
}

// Before the first packet leaves, when the port is known.
SEC("sockops")
int tcp_connect(struct bpf_sock_ops *context)
{
	struct bpf_sock *sk = context->sk;
	struct owned *owned;

	context->reply = -1;
	if (context->op != BPF_SOCK_OPS_TCP_CONNECT_CB || !sk)
		return 1;
	owned = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (owned && owned->flags == ACTIVE)
		tell_owned(owned, bpf_get_socket_cookie(context), OPENED);
	return 1;
}

// --- UDP ----------------------------------------------------------------------------------------------------------------

// Endpoints of a socket in a number; two are equal if nothing changed.
static __noinline __u64 digest(const struct sock *sk)
{
	__u64 halves[2] = {};
	__u64 ports = (__u64)BPF_CORE_READ(sk, __sk_common.skc_dport) << 16 | BPF_CORE_READ(sk, __sk_common.skc_num);

	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6)
		BPF_CORE_READ_INTO((struct in6_addr *)halves, sk, __sk_common.skc_v6_daddr);
	else
		halves[0] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	return ports ^ (halves[0] * 0x9e3779b97f4a7c15) ^ (halves[1] * 0xc2b2ae3d27d4eb4f);
}

// This process connects a socket. The port may be chosen later: told at the first packet, or at the end.
static __always_inline int udp_connect(struct bpf_sock_addr *context)
{
	struct owned *owned;

	if (context->protocol != IPPROTO_UDP || !context->sk)
		return 1;
	owned = bpf_sk_storage_get(&sockets, context->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (owned)
		remember_current(owned, ACTIVE);
	return 1;
}

SEC("cgroup/connect4")
int udp_connect4(struct bpf_sock_addr *context)
{
	return udp_connect(context);
}

SEC("cgroup/connect6")
int udp_connect6(struct bpf_sock_addr *context)
{
	return udp_connect(context);
}

// A packet leaves a socket that is not connected. The port has been chosen.
static __always_inline int udp_send(struct bpf_sock_addr *context)
{
	struct owned *owned;

	if (context->protocol != IPPROTO_UDP || !context->sk)
		return 1;
	owned = bpf_sk_storage_get(&sockets, context->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owned || owned->flags & IN_USE)
		return 1;
	remember_current(owned, IN_USE);
	owned->socket = (__u64)context->sk;
	barrier();
	owned->peer = digest((const struct sock *)owned->socket);
	tell_owned(owned, bpf_get_socket_cookie(context), USED);
	return 1;
}

SEC("cgroup/sendmsg4")
int udp_send4(struct bpf_sock_addr *context)
{
	return udp_send(context);
}

SEC("cgroup/sendmsg6")
int udp_send6(struct bpf_sock_addr *context)
{
	return udp_send(context);
}

// A server that does nothing but receive is known from here on.
static __always_inline int udp_bind(struct bpf_sock *sk)
{
	struct owned *owned;

	if (sk->protocol != IPPROTO_UDP)
		return 1;
	owned = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owned)
		return 1;
	remember_current(owned, 0);
	owned->socket = (__u64)sk;
	barrier();
	tell_owned(owned, bpf_get_socket_cookie(sk), BOUND);
	return 1;
}

SEC("cgroup/post_bind4")
int udp_bind4(struct bpf_sock *sk)
{
	return udp_bind(sk);
}

SEC("cgroup/post_bind6")
int udp_bind6(struct bpf_sock *sk)
{
	return udp_bind(sk);
}

SEC("cgroup/sock_release")
int udp_release(struct bpf_sock *sk)
{
	struct owned *owned;
	__u64 cookie;

	if (sk->protocol != IPPROTO_UDP)
		return 1;
	owned = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owned)
		return 1;
	cookie = bpf_get_socket_cookie(sk);
	owned->socket = (__u64)sk;
	barrier();
	if ((owned->flags & (ACTIVE | TOLD)) == ACTIVE)
		tell_owned(owned, cookie, OPENED);
	tell((const struct sock *)owned->socket, 0, cookie, bpf_ktime_get_ns(), CLOSED);
	return 1;
}

// --- Both, since Linux 6.3 ----------------------------------------------------------------------------------------------

// The first process that sends or receives: it may have inherited a listener, or have been there before we were.
static __always_inline int use(const struct sock *sk)
{
	struct owned *owned;
	__u64 peer = 0;

	if (!sk || !is_internet(sk) || (sk->sk_protocol != IPPROTO_TCP && sk->sk_protocol != IPPROTO_UDP))
		return 0;
	owned = bpf_sk_storage_get(&sockets, (void *)sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owned)
		return 0;
	if (sk->sk_protocol == IPPROTO_UDP)
		peer = digest(sk);
	if (owned->flags & IN_USE && owned->peer == peer)
		return 0;
	owned->socket = (__u64)sk;
	owned->peer = peer;
	if (!(owned->flags & ACTIVE)) {
		remember_current(owned, IN_USE);
		tell_owned(owned, bpf_get_socket_cookie((void *)sk), USED);
		return 0;
	}
	// Whoever connected it is its owner.
	owned->flags |= IN_USE;
	if (sk->sk_protocol == IPPROTO_UDP)
		tell_owned(owned, bpf_get_socket_cookie((void *)sk), OPENED);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(sock_send_length, const struct sock *sk)
{
	return use(sk);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(sock_recv_length, const struct sock *sk)
{
	return use(sk);
}

const char LICENSE[] SEC("license") = "Dual MIT/GPL";
