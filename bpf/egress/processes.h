// SPDX-License-Identifier: MIT OR Apache-2.0
// Who is watched: processes by descent, and their sockets.

#pragma once

#include "told.h"
#include "settings.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u32); // why
} processes SEC(".maps");

// What is known of a socket of a watched process; goes away with it.
struct mark {
	__u32 pid;
	__u32 reason;
	__u32 told;   // whether an attempt was told
	__u32 copied; // bytes of its packets that were handed on
	__u16 peer_port; // what a datagram socket is connected to
	__u8 is_resolver;
	__u8 family;
	__u8 peer[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mark);
} marks SEC(".maps");

static __always_inline __u32 reason_of(__u32 pid)
{
	__u32 *reason = bpf_map_lookup_elem(&processes, &pid);

	return reason ? *reason : 0;
}

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

// --- Processes ----------------------------------------------------------------------------------------------------------

static __always_inline struct event *reserve(__u32 kind, __u32 pid, __u32 reason)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lose(LOST_EVENTS);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time = bpf_ktime_get_ns();
	event->kind = kind;
	event->pid = pid;
	event->reason = reason;
	return event;
}

static __always_inline void submit(struct event *event)
{
	// The reader looks by itself: waking it for each event would cost more than the event.
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	const struct settings *set = get_settings();
	__u32 pid = child->tgid, reason;
	struct event *event;

	if (!set || child->tgid == parent->tgid)
		return 0;
	reason = reason_of(parent->tgid);
	if (set->spawner && set->spawner == parent->pid)
		reason |= OF_COMMAND;
	if (!reason)
		return 0;
	if (bpf_map_update_elem(&processes, &pid, &reason, BPF_ANY)) {
		lose(LOST_PROCESSES);
		return 0;
	}
	event = reserve(FORKED, pid, reason);
	if (!event)
		return 0;
	event->parent = parent->tgid;
	__builtin_memcpy(event->name, parent->comm, sizeof(event->name));
	submit(event);
	return 0;
}

static __always_inline void read_group(char (*names)[GROUP], struct cgroup *group)
{
	struct kernfs_node *node = BPF_CORE_READ(group, kn), *parent;
	struct kernfs_node___before_6_15 *old = (void *)node;

	bpf_probe_read_kernel_str(names[0], GROUP, BPF_CORE_READ(node, name));
	if (bpf_core_field_exists(old->parent))
		parent = BPF_CORE_READ(old, parent);
	else
		parent = BPF_CORE_READ(node, __parent);
	if (parent)
		bpf_probe_read_kernel_str(names[1], GROUP, BPF_CORE_READ(parent, name));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task)
{
	__u32 pid = task->tgid, reason = reason_of(pid);
	struct cgroup_subsys_state *memory;
	struct execution *execution;
	__u64 begin, length;
	__u32 index;

	if (!reason)
		return 0;
	execution = bpf_ringbuf_reserve(&events, sizeof(*execution), 0);
	if (!execution) {
		lose(LOST_EVENTS);
		return 0;
	}
	__builtin_memset(execution, 0, sizeof(*execution));
	execution->event.time = bpf_ktime_get_ns();
	execution->event.kind = EXECUTED;
	execution->event.pid = pid;
	execution->event.reason = reason;
	__builtin_memcpy(execution->event.name, task->comm, sizeof(execution->event.name));
	begin = BPF_CORE_READ(task, mm, arg_start);
	length = BPF_CORE_READ(task, mm, arg_end) - begin;
	if (length > ARGUMENTS)
		length = ARGUMENTS;
	if (!bpf_probe_read_user(execution->arguments, length, (void *)begin))
		execution->length = length;
	read_group(execution->groups[0], BPF_CORE_READ(task, cgroups, dfl_cgrp));
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id)) {
		index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
		bpf_core_read(&memory, sizeof(memory), &task->cgroups->subsys[0]);
		bpf_probe_read_kernel(&memory, sizeof(memory),
				      (void *)__builtin_preserve_access_index(&task->cgroups->subsys[0]) + index * sizeof(void *));
		if (memory)
			read_group(execution->groups[1], BPF_CORE_READ(memory, cgroup));
	}
	submit(&execution->event);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	__u32 pid = task->tgid, reason = reason_of(pid);
	struct event *event;

	if (!reason || BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	bpf_map_delete_elem(&processes, &pid);
	event = reserve(EXITED, pid, reason);
	if (!event)
		return 0;
	event->error = task->exit_code;
	__builtin_memcpy(event->name, task->comm, sizeof(event->name));
	submit(event);
	return 0;
}
