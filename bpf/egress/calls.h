// SPDX-License-Identifier: MIT OR Apache-2.0
// What comes of system calls: errors without a packet, and services of this host that are asked.

#pragma once

#include "attempts.h"
#include "sockets.h"

// What a system call was given.
struct call {
	__u64 arguments[5];
};

enum { CONNECT, SENDTO, SENDMSG, SENDMMSG, WRITE, WRITEV, OTHER };

// Which system call it is. Every one of the machine passes here: nothing else of it is read.
static __always_inline __u32 which_call(const void *registers)
{
	if (bpf_core_type_exists(struct pt_regs___x86) && bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax)) {
		const struct pt_regs___x86 *x86 = registers;

		switch ((int)x86->orig_ax) {
		case 1:
			return WRITE;
		case 20:
			return WRITEV;
		case 42:
			return CONNECT;
		case 44:
			return SENDTO;
		case 46:
			return SENDMSG;
		case 307:
			return SENDMMSG;
		}
		return OTHER;
	}
	if (bpf_core_field_exists(((struct pt_regs___arm64 *)0)->syscallno)) {
		const struct pt_regs___arm64 *arm = registers;

		switch (arm->syscallno) {
		case 64:
			return WRITE;
		case 66:
			return WRITEV;
		case 203:
			return CONNECT;
		case 206:
			return SENDTO;
		case 211:
			return SENDMSG;
		case 269:
			return SENDMMSG;
		}
	}
	return OTHER;
}

static __always_inline void read_call(struct call *call, const void *registers)
{
	if (bpf_core_type_exists(struct pt_regs___x86) && bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax)) {
		const struct pt_regs___x86 *x86 = registers;

		call->arguments[0] = x86->di;
		call->arguments[1] = x86->si;
		call->arguments[2] = x86->dx;
		call->arguments[3] = x86->r10;
		call->arguments[4] = x86->r8;
	} else if (bpf_core_field_exists(((struct pt_regs___arm64 *)0)->syscallno)) {
		const struct pt_regs___arm64 *arm = registers;

		call->arguments[0] = arm->orig_x0;
		for (int i = 1; i < 5; i++)
			call->arguments[i] = BPF_CORE_READ(arm, user_regs.regs[i]);
	}
}

// The socket behind a file descriptor of this process; 0 if it is something else.
static __always_inline struct sock *socket_of(__u64 descriptor)
{
	enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file = 0;
	struct socket *socket;

	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), &files[descriptor]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

// What programs pass to the kernel: struct sockaddr_in, struct sockaddr_in6.
struct socket_address {
	__u16 family;
	__u16 port;
	__u32 ipv4_or_flow;
	__u32 ipv6[4];
};

static __always_inline int read_peer(struct peer *peer, __u64 from, __u64 length)
{
	struct socket_address address = {};

	if (!from || length < 16 ||
	    bpf_probe_read_user(&address, length < sizeof(address) ? 16 : sizeof(address), (void *)from))
		return 0;
	peer->port = bpf_ntohs(address.port);
	if (address.family == AF_INET)
		set_ipv4(peer, address.ipv4_or_flow);
	else if (address.family == AF_INET6 && length >= sizeof(address))
		set_ipv6(peer, address.ipv6);
	else
		return 0;
	return 1;
}

// The beginning of what sendmsg() takes: struct msghdr.
struct message {
	__u64 name;
	__u32 name_length;
};

// A process asked a service of this host over a local socket.
static __always_inline void asked(struct sock *sk, __u32 pid)
{
	struct unix_sock *peer = (void *)BPF_CORE_READ((struct unix_sock *)sk, peer);
	struct inode *inode = BPF_CORE_READ(peer, path.dentry, d_inode);
	struct event *event;
	struct node key = {};
	__u32 *service;

	if (!inode)
		return;
	key.inode = BPF_CORE_READ(inode, i_ino);
	key.device = BPF_CORE_READ(inode, i_sb, s_dev);
	service = bpf_map_lookup_elem(&services, &key);
	if (!service)
		return;
	event = reserve(SERVICE, pid, reason_of(pid));
	if (!event)
		return;
	event->cookie = *service;
	bpf_get_current_comm(event->name, sizeof(event->name));
	submit(event);
}

enum { EINTR = 4, EAGAIN = 11, EALREADY = 114, EINPROGRESS = 115, EISCONN = 106, EMSGSIZE = 90, EINVAL = 22 };
enum { ENETUNREACH = 101, EHOSTUNREACH = 113 };

static __always_inline int says_nothing(long result)
{
	return result == -EINTR || result == -EAGAIN || result == -EALREADY || result == -EINPROGRESS ||
	       result == -EISCONN || result == -EMSGSIZE || result == -EINVAL || result < -4095;
}

// Ports at which nobody listens, with which libraries ask for the address that they would send from.
static __always_inline int is_question(__u16 port)
{
	return !port || port == 9 || port == 65535;
}

static __noinline int failed(struct call *call, __u32 which, long result)
{
	__u32 pid = current_pid();
	struct mark mark = { .pid = pid, .reason = reason_of(pid) };
	struct message message = {};
	struct peer peer = {};
	struct sock *sk;
	__u16 family;
	__u64 cookie;
	int known = 0;

	if (!call || !mark.reason)
		return 0;
	sk = socket_of(call->arguments[0]);
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (which == CONNECT)
		known = read_peer(&peer, call->arguments[1], call->arguments[2]);
	else if (which == SENDTO)
		// The sixth argument is the length, of which enough is known.
		known = read_peer(&peer, call->arguments[4], family == AF_INET6 ? 28 : 16);
	else if (which == SENDMSG || which == SENDMMSG)
		known = !bpf_probe_read_user(&message, sizeof(message), (void *)call->arguments[1]) &&
			read_peer(&peer, message.name, message.name_length);
	if (!known && which != CONNECT) {
		// A socket without a peer reaches for nobody.
		if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED)
			return 0;
		peer_of(&peer, sk);
		known = 1;
	}
	if (!known)
		return 0;
	peer.protocol = BPF_CORE_READ(sk, sk_protocol);
	cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (peer.protocol == IPPROTO_TCP) {
		if (which == CONNECT)
			tell(cookie, &peer, &mark, FAILED | BY_CONNECT << 16, -result);
		return 0;
	}
	if (peer.protocol != IPPROTO_UDP)
		peer.port = 0;
	// A datagram socket that cannot be connected, as there is no route.
	if (which == CONNECT && ((result != -ENETUNREACH && result != -EHOSTUNREACH) || is_question(peer.port)))
		return 0;
	note(cookie, &peer, &mark, which == CONNECT ? BY_CONNECT : BY_SEND, -result);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, const void *registers, long result)
{
	enum { AF_UNIX = 1 };
	struct call call = {};
	struct sock *sk;
	__u32 which;

	if (result < 0 ? says_nothing(result) : result != 0)
		return 0;
	which = which_call(registers);
	if (which == OTHER || (!result && which != CONNECT))
		return 0;
	read_call(&call, registers);
	if (result < 0)
		return failed(&call, which, result);
	sk = socket_of(call.arguments[0]);
	if (sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX)
		asked(sk, current_pid());
	return 0;
}
