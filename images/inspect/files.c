/* images/inspect/files.c - the open files and sockets of a checkpoint.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU lists every open file once, in files.img; fdinfo-ID.img says which descriptors mean it.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "images/inspect/kinds.h"
#include "images/inspect/report.h"
#include "images/proto/files.pb-c.h"
#include "images/record.h"

#define RECORD_MAX (32 * 1024 * 1024)

/* The way in which a file is open. */
static const char *mode_of(uint32_t flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return "r";
	case O_WRONLY:
		return "w";
	default:
		return "rw";
	}
}

static int add_descriptors(const struct fi_checkpoint *cp, uint32_t files_id, struct fi_json *js,
			   struct json_object *to, struct fi_error *err)
{
	struct json_object *list = fi_json_array(js, to, "descriptors"), *entry;
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Fdinfo *info;
	const struct fi_file *file;
	const void *msg;
	char name[40];
	int r;

	(void)snprintf(name, sizeof(name), "fdinfo-%" PRIu32 ".img", files_id);
	r = fi_records_open(&rd, &cp->chain.dirs[0], name, FI_MAGIC_FDINFO, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__fdinfo__descriptor, RECORD_MAX, &msg, err)) > 0) {
		info = msg;
		file = fi_checkpoint_file(cp, info->id);
		entry = fi_json_object(js, list, NULL);
		fi_json_u64(js, entry, "fd", info->fd);
		fi_json_u64(js, entry, "file", info->id);
		fi_json_text(js, entry, "type", fi_file_type_name(info->type));
		fi_json_text(js, entry, "name", file ? file->name : "(missing)");
		if (info->flags & FD_CLOEXEC)
			fi_json_bool(js, entry, "cloexec", true);
	}
	return r;
}

static void add_file(const Fi__Pb__FileEntry *from, const struct fi_checkpoint *cp,
		     struct fi_json *js, struct json_object *to)
{
	const struct fi_file *file = fi_checkpoint_file(cp, from->id);
	struct json_object *entry = fi_json_object(js, to, NULL);

	fi_json_u64(js, entry, "id", from->id);
	fi_json_text(js, entry, "type", fi_file_type_name(from->type));
	fi_json_text(js, entry, "name", file ? file->name : "");
	if (from->reg) {
		fi_json_text(js, entry, "mode", mode_of(from->reg->flags));
		fi_json_u64(js, entry, "position", from->reg->pos);
		if (from->reg->has_size)
			fi_json_u64(js, entry, "size", from->reg->size);
		if (from->reg->has_mnt_id)
			fi_json_i64(js, entry, "mount", from->reg->mnt_id);
		if (from->reg->ext)
			fi_json_bool(js, entry, "external", true);
	}
	if (from->pipe)
		fi_json_text(js, entry, "mode", mode_of(from->pipe->flags));
}

int fi_report_files(const struct fi_checkpoint *cp, const struct fi_filter *filter,
		    struct fi_json *js, struct json_object *to, struct fi_error *err)
{
	struct json_object *files = fi_json_object(js, to, "files");
	struct json_object *list = fi_json_array(js, files, "open"), *entry;
	fi_auto_records struct fi_records rd;
	const void *msg;
	size_t i;
	int r;

	r = fi_records_open(&rd, &cp->chain.dirs[0], "files.img", FI_MAGIC_FILES, err);
	if (r < 0 && r != -ENOENT)
		return r;
	while (r == 0 && (r = fi_records_next(&rd, &fi__pb__file_entry__descriptor, RECORD_MAX,
					      &msg, err)) > 0) {
		add_file(msg, cp, js, list);
		r = 0;
	}
	if (r < 0 && r != -ENOENT)
		return r;

	list = fi_json_array(js, files, "tasks");
	for (i = 0; i < fi_image_nr_tasks(cp->image); i++) {
		const struct fi_task_image *task = fi_image_task(cp->image, i);

		if (!fi_filter_task(filter, task) || task->zombie)
			continue;
		entry = fi_json_object(js, list, NULL);
		fi_json_u64(js, entry, "pid", task->vpid);
		fi_json_text(js, entry, "name", task->comm);
		r = add_descriptors(cp, cp->more[i].files_id, js, entry, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- sockets ------------------------------------------------------------------------------------ */

/* The kernel's TCP_*, which CRIU uses for every family. */
static const char *socket_state(uint32_t state)
{
	static const char *const names[] = { "?",	   "established", "syn-sent",  "syn-recv",
					     "fin-wait1",  "fin-wait2",	  "time-wait", "closed",
					     "close-wait", "last-ack",	  "listening", "closing" };

	return state < FI_ARRAY_SIZE(names) ? names[state] : "?";
}

static const char *socket_type(uint32_t type)
{
	switch (type) {
	case SOCK_STREAM:
		return "stream";
	case SOCK_DGRAM:
		return "datagram";
	case SOCK_SEQPACKET:
		return "seqpacket";
	case SOCK_RAW:
		return "raw";
	default:
		return "other";
	}
}

static void add_address(struct fi_json *js, struct json_object *to, const char *key,
			uint32_t family, const uint32_t *words, size_t nr, uint32_t port)
{
	char host[INET6_ADDRSTRLEN] = "?", text[INET6_ADDRSTRLEN + 16];

	if (family == AF_INET && nr >= 1)
		(void)inet_ntop(AF_INET, words, host, sizeof(host));
	else if (family == AF_INET6 && nr >= 4)
		(void)inet_ntop(AF_INET6, words, host, sizeof(host));
	(void)snprintf(text, sizeof(text), family == AF_INET6 ? "[%s]:%" PRIu32 : "%s:%" PRIu32,
		       host, port);
	fi_json_text(js, to, key, text);
}

static void add_inet(const Fi__Pb__InetSk *sk, struct fi_json *js, struct json_object *to)
{
	fi_json_text(js, to, "family", sk->family == AF_INET6 ? "inet6" : "inet");
	fi_json_text(js, to, "type", socket_type(sk->type));
	fi_json_text(js, to, "state", socket_state(sk->state));
	fi_json_u64(js, to, "protocol", sk->proto);
	fi_json_u64(js, to, "inode", sk->ino);
	add_address(js, to, "local", sk->family, sk->src_addr, sk->n_src_addr, sk->src_port);
	add_address(js, to, "remote", sk->family, sk->dst_addr, sk->n_dst_addr, sk->dst_port);
	if (sk->has_ns_id)
		fi_json_u64(js, to, "net_ns", sk->ns_id);
}

static void add_unix(const Fi__Pb__UnixSk *sk, struct fi_json *js, struct json_object *to)
{
	size_t len = sk->name.len;

	fi_json_text(js, to, "family", "unix");
	fi_json_text(js, to, "type", socket_type(sk->type));
	fi_json_text(js, to, "state", socket_state(sk->state));
	fi_json_u64(js, to, "inode", sk->ino);
	if (len > 0 && sk->name.data[0] == '\0') {
		/* The abstract name space, written as ss(8) does. */
		fi_auto_free char *text = malloc(len);

		if (text) {
			text[0] = '@';
			memcpy(text + 1, sk->name.data + 1, len - 1);
			fi_json_bytes(js, to, "local", text, len);
		} else {
			js->failed = true;
		}
	} else {
		while (len > 0 && sk->name.data[len - 1] == '\0')
			len--;
		fi_json_bytes(js, to, "local", sk->name.data, len);
	}
	if (sk->peer)
		fi_json_u64(js, to, "peer", sk->peer);
	if (sk->has_ns_id)
		fi_json_u64(js, to, "net_ns", sk->ns_id);
}

static void add_socket(const Fi__Pb__FileEntry *from, struct fi_json *js, struct json_object *to)
{
	struct json_object *entry;

	if (!from->isk && !from->usk && !from->nlsk && !from->psk)
		return;
	entry = fi_json_object(js, to, NULL);
	fi_json_u64(js, entry, "id", from->id);
	if (from->isk) {
		add_inet(from->isk, js, entry);
	} else if (from->usk) {
		add_unix(from->usk, js, entry);
	} else if (from->nlsk) {
		fi_json_text(js, entry, "family", "netlink");
		fi_json_text(js, entry, "state", socket_state(from->nlsk->state));
		fi_json_u64(js, entry, "protocol", from->nlsk->protocol);
		fi_json_u64(js, entry, "inode", from->nlsk->ino);
	} else {
		fi_json_text(js, entry, "family", "packet");
		fi_json_text(js, entry, "type", socket_type(from->psk->type));
		fi_json_u64(js, entry, "protocol", from->psk->protocol);
	}
}

int fi_report_sockets(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		      struct fi_error *err)
{
	struct json_object *list = fi_json_array(js, to, "sockets");
	fi_auto_records struct fi_records rd;
	const void *msg;
	int r;

	r = fi_records_open(&rd, &cp->chain.dirs[0], "files.img", FI_MAGIC_FILES, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__file_entry__descriptor, RECORD_MAX, &msg, err)) >
	       0)
		add_socket(msg, js, list);
	return r;
}
