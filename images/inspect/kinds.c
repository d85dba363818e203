/* images/inspect/kinds.c - see kinds.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/inspect/kinds.h"

#include <string.h>

#include "common/cleanup.h"
#include "images/proto/core.pb-c.h"
#include "images/proto/files.pb-c.h"
#include "images/proto/inventory.pb-c.h"
#include "images/proto/mm.pb-c.h"
#include "images/proto/namespaces.pb-c.h"
#include "images/proto/pstree.pb-c.h"
#include "images/proto/records.pb-c.h"

static uint64_t pipe_tail(const void *msg)
{
	return ((const Fi__Pb__PipeData *)msg)->bytes;
}

static uint64_t queue_tail(const void *msg)
{
	return ((const Fi__Pb__SkPacket *)msg)->length;
}

static uint64_t tcp_tail(const void *msg)
{
	const Fi__Pb__TcpStream *tcp = msg;

	return (uint64_t)tcp->inq_len + tcp->outq_len;
}

static uint64_t bpf_tail(const void *msg)
{
	const Fi__Pb__BpfmapData *bpf = msg;

	return (uint64_t)bpf->keys_bytes + bpf->values_bytes;
}

#define TASK	   "that task cannot be restored"
#define ALL	   "nothing can be restored"
#define LOST(what) what " cannot be restored"

/* Longer stems before those that they begin with. */
static const struct fi_kind kinds[] = {
	{ "inventory", 0x58313116, FI_SHAPE_ONE, &fi__pb__inventory__descriptor, NULL, ALL },
	{ "pstree", FI_MAGIC_PSTREE, FI_SHAPE_RECORDS, &fi__pb__pstree__descriptor, NULL, ALL },
	{ "core", FI_MAGIC_CORE, FI_SHAPE_ONE, &fi__pb__core__descriptor, NULL, TASK },
	{ "ids", FI_MAGIC_IDS, FI_SHAPE_ONE, &fi__pb__ids__descriptor, NULL, TASK },
	{ "mm", FI_MAGIC_MM, FI_SHAPE_ONE, &fi__pb__mm__descriptor, NULL, TASK },
	{ "pagemap", 0x56084025, FI_SHAPE_PAGEMAP, NULL, NULL,
	  "the memory of that task is missing or wrong" },
	{ "pages", 0, FI_SHAPE_RAW, NULL, NULL, "the memory of that task is missing or wrong" },
	{ "fs", FI_MAGIC_FS, FI_SHAPE_ONE, &fi__pb__fs__descriptor, NULL, TASK },
	{ "creds", 0x54023547, FI_SHAPE_ONE, NULL, NULL, TASK },
	{ "fdinfo", FI_MAGIC_FDINFO, FI_SHAPE_RECORDS, &fi__pb__fdinfo__descriptor, NULL,
	  LOST("the open files of that task") },
	{ "files", FI_MAGIC_FILES, FI_SHAPE_RECORDS, &fi__pb__file_entry__descriptor, NULL,
	  LOST("all open files") },
	{ "remap-fpath", FI_MAGIC_REMAP, FI_SHAPE_RECORDS, &fi__pb__remap__descriptor, NULL,
	  LOST("files that were deleted") },
	{ "ghost-file", 0x52583605, FI_SHAPE_HEAD, NULL, NULL, LOST("a file that was deleted") },
	{ "memfd", FI_MAGIC_MEMFD, FI_SHAPE_RECORDS, &fi__pb__memfd_inode__descriptor, NULL,
	  LOST("memory files") },
	{ "pipes-data", FI_MAGIC_PIPES_DATA, FI_SHAPE_TAILS, &fi__pb__pipe_data__descriptor,
	  pipe_tail, LOST("what was in pipes") },
	{ "fifo-data", 0x59333054, FI_SHAPE_TAILS, &fi__pb__pipe_data__descriptor, pipe_tail,
	  LOST("what was in named pipes") },
	{ "sk-queues", 0x56264026, FI_SHAPE_TAILS, &fi__pb__sk_packet__descriptor, queue_tail,
	  LOST("what was on its way in sockets") },
	{ "tcp-stream", 0x51465506, FI_SHAPE_TAILS, &fi__pb__tcp_stream__descriptor, tcp_tail,
	  LOST("a TCP connection") },
	{ "bpfmap-data", 0x64324033, FI_SHAPE_TAILS, &fi__pb__bpfmap_data__descriptor, bpf_tail,
	  LOST("a BPF map") },
	{ "tty-info", FI_MAGIC_TTY_INFO, FI_SHAPE_RECORDS, &fi__pb__tty_info__descriptor, NULL,
	  LOST("terminals") },
	{ "tty-data", 0x59413026, FI_SHAPE_RECORDS, NULL, NULL, LOST("what was in terminals") },
	{ "filelocks", 0x54323616, FI_SHAPE_RECORDS, NULL, NULL, LOST("file locks") },
	{ "rlimit", 0x57113925, FI_SHAPE_RECORDS, NULL, NULL, TASK },
	{ "itimers", 0x57464056, FI_SHAPE_RECORDS, NULL, NULL, TASK },
	{ "posix-timers", 0x52603957, FI_SHAPE_RECORDS, NULL, NULL, TASK },
	{ "sigacts", 0x55344201, FI_SHAPE_RECORDS, NULL, NULL, TASK },
	{ "signal-s", 0x59255647, FI_SHAPE_RECORDS, NULL, NULL, TASK },
	{ "signal-p", 0x59255647, FI_SHAPE_RECORDS, NULL, NULL, TASK },
	{ "seccomp", 0x64413049, FI_SHAPE_ONE, NULL, NULL, ALL },
	{ "cgroup", 0x59383330, FI_SHAPE_ONE, NULL, NULL, LOST("control groups") },
	{ "cpuinfo", 0x61404013, FI_SHAPE_ONE, NULL, NULL, LOST("the check of the processor") },
	{ "mountpoints", FI_MAGIC_MNTS, FI_SHAPE_RECORDS, &fi__pb__mount__descriptor, NULL,
	  LOST("a mount namespace") },
	{ "netdev", FI_MAGIC_NETDEV, FI_SHAPE_RECORDS, &fi__pb__netdev__descriptor, NULL,
	  LOST("a network namespace") },
	{ "netns-ct", 0, FI_SHAPE_RAW, NULL, NULL, LOST("connection tracking") },
	{ "netns-exp", 0, FI_SHAPE_RAW, NULL, NULL, LOST("connection tracking") },
	{ "ifaddr", 0, FI_SHAPE_RAW, NULL, NULL, LOST("network addresses") },
	{ "route", 0, FI_SHAPE_RAW, NULL, NULL, LOST("routes") },
	{ "route6", 0, FI_SHAPE_RAW, NULL, NULL, LOST("routes") },
	{ "rule", 0, FI_SHAPE_RAW, NULL, NULL, LOST("routing rules") },
	{ "iptables", 0, FI_SHAPE_RAW, NULL, NULL, LOST("packet filters") },
	{ "ip6tables", 0, FI_SHAPE_RAW, NULL, NULL, LOST("packet filters") },
	{ "nftables", 0, FI_SHAPE_RAW, NULL, NULL, LOST("packet filters") },
	{ "tmpfs", 0, FI_SHAPE_RAW, NULL, NULL, LOST("the files of a tmpfs") },
	{ "netns", 0x55933752, FI_SHAPE_ONE, NULL, NULL, LOST("a network namespace") },
	{ "utsns", FI_MAGIC_UTSNS, FI_SHAPE_ONE, &fi__pb__utsns__descriptor, NULL,
	  LOST("the host's name") },
	{ "userns", 0x55474906, FI_SHAPE_ONE, NULL, NULL, LOST("a user namespace") },
	{ "timens", 0x43114433, FI_SHAPE_ONE, NULL, NULL, LOST("the clocks") },
	{ "pidns", 0x61157326, FI_SHAPE_ONE, NULL, NULL, LOST("a pid namespace") },
	{ "ipcns-var", 0x53115007, FI_SHAPE_ONE, NULL, NULL, LOST("an IPC namespace") },
	{ "ipcns-shm", 0x46283044, FI_SHAPE_HEAD, NULL, NULL, LOST("System V shared memory") },
	{ "ipcns-msg", 0x55453737, FI_SHAPE_HEAD, NULL, NULL, LOST("System V message queues") },
	{ "ipcns-sem", 0x59573019, FI_SHAPE_HEAD, NULL, NULL, LOST("System V semaphores") },
	{ "bpfmap-file", 0x57506142, FI_SHAPE_RECORDS, NULL, NULL, LOST("BPF maps") },
	{ "autofs", 0x49353943, FI_SHAPE_RECORDS, NULL, NULL, LOST("automounts") },
	{ "binfmt-misc", 0x67343323, FI_SHAPE_RECORDS, NULL, NULL, LOST("binary formats") },
	{ "apparmor", 0x59423047, FI_SHAPE_ONE, NULL, NULL, LOST("security profiles") },
	{ "stats-dump", FI_MAGIC_STATS, FI_SHAPE_ONE, &fi__pb__stats__descriptor, NULL,
	  "only figures about the dump are lost" },
	{ "stats-restore", FI_MAGIC_STATS, FI_SHAPE_ONE, &fi__pb__stats__descriptor, NULL,
	  "only figures about the dump are lost" },
};

const struct fi_kind *fi_kind_of(const char *name)
{
	size_t len = strlen(name), i, n;

	if (len > 4 && strcmp(name + len - 4, ".img") == 0)
		len -= 4;
	for (i = 0; i < FI_ARRAY_SIZE(kinds); i++) {
		n = strlen(kinds[i].stem);
		if (len >= n && memcmp(name, kinds[i].stem, n) == 0 &&
		    (len == n || (name[n] == '-' && name[len] == '.')))
			return &kinds[i];
	}
	return NULL;
}
