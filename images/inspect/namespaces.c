/* images/inspect/namespaces.c - mounts, and which task is in which namespaces.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "images/inspect/kinds.h"
#include "images/inspect/report.h"
#include "images/proto/namespaces.pb-c.h"
#include "images/record.h"

#define RECORD_MAX (16 * 1024 * 1024)

static const char *fstype_name(const Fi__Pb__Mount *mount)
{
	static const char *const names[] = {
		"other",  "proc",    "sysfs",  "devtmpfs",   "binfmt_misc", "tmpfs",
		"devpts", "simfs",   "pstore", "securityfs", "fusectl",	    "debugfs",
		"cgroup", "aufs",    "mqueue", "fuse",	     "auto",	    "overlay",
		"autofs", "tracefs", "other",  "other",	     "other",	    "cgroup2",
	};

	if (mount->fsname && mount->fsname[0])
		return mount->fsname;
	return mount->fstype < FI_ARRAY_SIZE(names) ? names[mount->fstype] : "other";
}

static void add_mount(const Fi__Pb__Mount *mount, struct fi_json *js, struct json_object *to)
{
	struct json_object *entry = fi_json_object(js, to, NULL);

	fi_json_u64(js, entry, "id", mount->mnt_id);
	fi_json_u64(js, entry, "parent", mount->parent_mnt_id);
	fi_json_text(js, entry, "at", mount->mountpoint);
	fi_json_text(js, entry, "type", fstype_name(mount));
	fi_json_text(js, entry, "source", mount->source);
	fi_json_text(js, entry, "root", mount->root);
	fi_json_text(js, entry, "options", mount->options);
	fi_json_bool(js, entry, "read_only", mount->flags & MS_RDONLY);
	if (mount->ext_mount)
		fi_json_bool(js, entry, "external", true);
	if (mount->shared_id)
		fi_json_u64(js, entry, "shared", mount->shared_id);
	if (mount->master_id)
		fi_json_u64(js, entry, "master", mount->master_id);
}

struct listing {
	const struct fi_checkpoint *cp;
	struct fi_json *js;
	struct json_object *to;
	struct fi_error *err;
};

/* Reads one mountpoints-ID.img. */
static int list_mounts(const char *name, uint64_t size, void *arg)
{
	const struct listing *listing = arg;
	struct json_object *space, *list;
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	const void *msg;
	int r;

	if (strncmp(name, "mountpoints-", 12) != 0)
		return 0;
	space = fi_json_object(listing->js, listing->to, NULL);
	fi_json_u64(listing->js, space, "mnt_ns", strtoul(name + 12, NULL, 10));
	list = fi_json_array(listing->js, space, "mounts");
	r = fi_records_open(&rd, &listing->cp->chain.dirs[0], name, FI_MAGIC_MNTS, listing->err);
	if (r < 0)
		return r;
	while ((r = fi_records_next(&rd, &fi__pb__mount__descriptor, RECORD_MAX, &msg,
				    listing->err)) > 0)
		add_mount(msg, listing->js, list);
	return r;
}

int fi_report_mounts(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		     struct fi_error *err)
{
	struct listing listing = { cp, js, fi_json_array(js, to, "mounts"), err };

	return fi_image_dir_list(&cp->chain.dirs[0], list_mounts, &listing, err);
}

static int add_uts(const struct fi_checkpoint *cp, uint32_t id, struct fi_json *js,
		   struct json_object *to, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Utsns *uts;
	const void *msg;
	char name[40];
	int r;

	(void)snprintf(name, sizeof(name), "utsns-%" PRIu32 ".img", id);
	r = fi_records_read_only(&rd, &cp->chain.dirs[0], name, FI_MAGIC_UTSNS,
				 &fi__pb__utsns__descriptor, RECORD_MAX, &msg, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	uts = msg;
	fi_json_text(js, to, "hostname", uts->nodename);
	fi_json_text(js, to, "domainname", uts->domainname);
	return 0;
}

static int add_netdevs(const struct fi_checkpoint *cp, uint32_t id, struct fi_json *js,
		       struct json_object *to, struct fi_error *err)
{
	struct json_object *list = NULL, *entry;
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Netdev *dev;
	const void *msg;
	char name[40];
	int r;

	(void)snprintf(name, sizeof(name), "netdev-%" PRIu32 ".img", id);
	r = fi_records_open(&rd, &cp->chain.dirs[0], name, FI_MAGIC_NETDEV, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	list = fi_json_array(js, to, "devices");
	while ((r = fi_records_next(&rd, &fi__pb__netdev__descriptor, RECORD_MAX, &msg, err)) > 0) {
		dev = msg;
		entry = fi_json_object(js, list, NULL);
		fi_json_text(js, entry, "name", dev->name);
		fi_json_u64(js, entry, "index", dev->ifindex);
		fi_json_u64(js, entry, "mtu", dev->mtu);
	}
	return r;
}

/* True if an earlier task is in the namespace too. */
static bool seen(const struct fi_checkpoint *cp, size_t task, size_t ns)
{
	size_t i;

	for (i = 0; i < task; i++)
		if (cp->more[i].ns[ns] == cp->more[task].ns[ns])
			return true;
	return false;
}

static int add_namespace(const struct fi_checkpoint *cp, size_t task, size_t ns, struct fi_json *js,
			 struct json_object *to, struct fi_error *err)
{
	const uint32_t id = cp->more[task].ns[ns];
	struct json_object *entry = fi_json_object(js, to, NULL), *list;
	size_t i;

	fi_json_text(js, entry, "type", fi_ns_names[ns]);
	fi_json_u64(js, entry, "id", id);
	list = fi_json_array(js, entry, "tasks");
	for (i = task; i < fi_image_nr_tasks(cp->image); i++)
		if (cp->more[i].ns[ns] == id)
			fi_json_u64(js, list, NULL, fi_image_task(cp->image, i)->vpid);
	if (ns == FI_NS_UTS)
		return add_uts(cp, id, js, entry, err);
	if (ns == FI_NS_NET)
		return add_netdevs(cp, id, js, entry, err);
	return 0;
}

int fi_report_namespaces(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
			 struct fi_error *err)
{
	struct json_object *list = fi_json_array(js, to, "namespaces");
	size_t ns, i;
	int r;

	for (ns = 0; ns < FI_NS_NR; ns++)
		for (i = 0; i < fi_image_nr_tasks(cp->image); i++) {
			if (!cp->more[i].ns[ns] || seen(cp, i, ns))
				continue;
			r = add_namespace(cp, i, ns, js, list, err);
			if (r < 0)
				return r;
		}
	return 0;
}
