/* images/inspect/overview.c - the tasks of a checkpoint, their memory, and where it comes from.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "images/inspect/kinds.h"
#include "images/inspect/maps.h"
#include "images/inspect/report.h"
#include "images/proto/inventory.pb-c.h"
#include "images/proto/records.pb-c.h"
#include "images/record.h"

bool fi_filter_task(const struct fi_filter *filter, const struct fi_task_image *task)
{
	return filter->pid == 0 || filter->pid == task->vpid;
}

bool fi_filter_vma(const struct fi_filter *filter, const struct fi_task_more *more,
		   const struct fi_vma *vma)
{
	static const char letters[] = "rwx";
	static const uint32_t bits[] = { PROT_READ, PROT_WRITE, PROT_EXEC };
	size_t i;

	for (i = 0; i < FI_ARRAY_SIZE(bits); i++)
		if (filter->prot[i] && (filter->prot[i] == letters[i]) != !!(vma->prot & bits[i]))
			return false;
	if (filter->kind && strcmp(filter->kind, fi_vma_kind(more, vma)) != 0)
		return false;
	return filter->end == 0 || (vma->start < filter->end && vma->end > filter->start);
}

/* --- where it comes from ------------------------------------------------------------------------ */

/* Reads up to @size - 1 bytes of a small text file beside or above the image; false: none. */
static bool read_text(const struct fi_checkpoint *cp, const char *prefix, const char *name,
		      char *ret, size_t size)
{
	fi_auto_image_file struct fi_image_file file = { .fd = -EBADF };
	struct fi_image_dir dir = cp->chain.dirs[0];
	ssize_t got;
	size_t len;

	(void)snprintf(dir.prefix, sizeof(dir.prefix), "%s", prefix);
	if (fi_image_file_open(&dir, name, &file, NULL) < 0)
		return false;
	if (file.data) {
		len = file.size < size - 1 ? (size_t)file.size : size - 1;
		memcpy(ret, file.data, len);
	} else {
		got = file.fd >= 0 ? pread(file.fd, ret, size - 1, 0) : -1;
		if (got < 0)
			return false;
		len = (size_t)got;
	}
	ret[len] = '\0';
	return true;
}

/* Adds what follows @word on its line in @text, up to @stop, if it is there. */
static void add_after(struct fi_json *js, struct json_object *to, const char *key, const char *text,
		      const char *word, const char *stop)
{
	const char *at = strstr(text, word);

	if (!at)
		return;
	at += strlen(word);
	fi_json_bytes(js, to, key, at, strcspn(at, stop));
}

/* CRIU's log of the dump is the only place that names the versions. */
static void add_versions(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to)
{
	fi_auto_free char *text = malloc(64 * 1024);

	if (!text) {
		js->failed = true;
		return;
	}
	if (!read_text(cp, cp->chain.dirs[0].prefix, "dump.log", text, 64 * 1024) &&
	    !read_text(cp, "", "dump.log", text, 64 * 1024))
		return;
	add_after(js, to, "criu", text, "Version: ", " \n");
	add_after(js, to, "kernel", text, "Running on ", "\n");
}

/* Copies a member that is text, and not empty. */
static void copy_text(struct fi_json *js, struct json_object *to, const char *key,
		      const struct json_object *from, const char *member)
{
	struct json_object *value;

	if (from && json_object_object_get_ex(from, member, &value) &&
	    json_object_is_type(value, json_type_string) && json_object_get_string_len(value) > 0)
		fi_json_bytes(js, to, key, json_object_get_string(value),
			      (size_t)json_object_get_string_len(value));
}

/* NULL: there is no such file, or it is no JSON. */
static struct json_object *read_json(const struct fi_checkpoint *cp, const char *name,
				     struct fi_json *js)
{
	enum { SIZE = 1024 * 1024 };
	fi_auto_free char *text = malloc(SIZE);

	if (!text)
		js->failed = true;
	return text && read_text(cp, "", name, text, SIZE) ? json_tokener_parse(text) : NULL;
}

/* The metadata that podman, CRI-O and containerd put beside the image.  Of what has several names the
 * last counts: engines make up a longer one where Kubernetes has given one. */
static void add_container(const struct fi_checkpoint *cp, struct fi_json *js,
			  struct json_object *to)
{
	static const char *const config_names[][2] = {
		{ "name", "name" },
		{ "id", "id" },
		{ "rootfsImage", "image" },
		{ "rootfsImageName", "image" },
		{ "runtime", "runtime" },
		{ "createdTime", "created" },
		{ "checkpointedTime", "checkpointed" },
	};
	static const char *const annotation_names[][2] = {
		{ "io.kubernetes.container.name", "name" },
		{ "io.kubernetes.pod.name", "pod" },
		{ "io.kubernetes.pod.namespace", "namespace" },
		{ "io.kubernetes.cri.container-name", "name" },
		{ "io.kubernetes.cri.sandbox-name", "pod" },
		{ "io.kubernetes.cri.sandbox-namespace", "namespace" },
	};
	struct json_object *config = read_json(cp, "config.dump", js);
	struct json_object *spec = read_json(cp, "spec.dump", js);
	struct json_object *annotations = NULL, *container;

	if (config || spec) {
		container = fi_json_object(js, to, "container");
		for (size_t i = 0; i < FI_ARRAY_SIZE(config_names); i++)
			copy_text(js, container, config_names[i][1], config, config_names[i][0]);
		if (spec && json_object_object_get_ex(spec, "annotations", &annotations))
			for (size_t i = 0; i < FI_ARRAY_SIZE(annotation_names); i++)
				copy_text(js, container, annotation_names[i][1], annotations,
					  annotation_names[i][0]);
	}
	(void)json_object_put(config);
	(void)json_object_put(spec);
}

static int add_inventory(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
			 struct fi_error *err)
{
	struct fi_image_dir plain = cp->chain.dirs[0];
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Inventory *inventory;
	const void *msg;
	int r;

	plain.common_magic = false;
	r = fi_records_read_only(&rd, &plain, "inventory.img", fi_kind_of("inventory.img")->magic,
				 &fi__pb__inventory__descriptor, 1024 * 1024, &msg, err);
	if (r < 0)
		return r;
	inventory = msg;
	fi_json_u64(js, to, "format", inventory->img_version);
	if (inventory->run_id)
		fi_json_text(js, to, "run_id", inventory->run_id);
	if (inventory->has_dump_uptime)
		fi_json_u64(js, to, "uptime_us", inventory->dump_uptime);
	return 0;
}

/* In the work directory of the dump, which an archive has above the image. */
static int open_stats(const struct fi_checkpoint *cp, struct fi_records *rd)
{
	struct fi_image_dir dir = cp->chain.dirs[0];
	int r = fi_records_open_as(rd, &dir, "stats-dump", FI_MAGIC_SERVICE, FI_MAGIC_STATS, NULL);

	if (r == 0 || !cp->archive)
		return r;
	fi_records_close(rd);
	dir.prefix[0] = '\0';
	return fi_records_open_as(rd, &dir, "stats-dump", FI_MAGIC_SERVICE, FI_MAGIC_STATS, NULL);
}

/* What the dump counted; an image without stats-dump has nothing here. */
static void add_stats(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to)
{
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	struct json_object *dump;
	const Fi__Pb__Stats *stats;
	const void *msg;

	if (open_stats(cp, &rd) < 0 ||
	    fi_records_next(&rd, &fi__pb__stats__descriptor, 4096, &msg, NULL) <= 0)
		return;
	stats = msg;
	if (!stats->dump)
		return;
	dump = fi_json_object(js, to, "dump");
	fi_json_u64(js, dump, "freezing_us", stats->dump->freezing_time);
	fi_json_u64(js, dump, "frozen_us", stats->dump->frozen_time);
	fi_json_u64(js, dump, "memdump_us", stats->dump->memdump_time);
	fi_json_u64(js, dump, "memwrite_us", stats->dump->memwrite_time);
	fi_json_u64(js, dump, "pages_scanned", stats->dump->pages_scanned);
	fi_json_u64(js, dump, "pages_skipped_parent", stats->dump->pages_skipped_parent);
	fi_json_u64(js, dump, "pages_written", stats->dump->pages_written);
	fi_json_u64(js, dump, "pages_lazy", stats->dump->pages_lazy);
}

int fi_report_origin(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		     struct fi_error *err)
{
	struct json_object *image = fi_json_object(js, to, "image");

	fi_json_text(js, image, "name", cp->name);
	fi_json_text(js, image, "kind", cp->archive ? "archive" : "directory");
	if (cp->archive)
		fi_json_text(js, image, "inside", cp->chain.dirs[0].prefix);
	fi_json_u64(js, image, "parents", cp->chain.nr - 1);
	add_versions(cp, js, image);
	add_container(cp, js, image);
	add_stats(cp, js, image);
	return add_inventory(cp, js, image, err);
}

/* --- sizes -------------------------------------------------------------------------------------- */

struct sizes {
	uint64_t pages, pagemaps, ghosts, other;
	uint64_t nr;
};

static int add_size(const char *name, uint64_t size, void *arg)
{
	const struct fi_kind *kind = fi_kind_of(name);
	struct sizes *sizes = arg;

	if (!kind)
		return 0;
	sizes->nr++;
	if (strcmp(kind->stem, "pages") == 0)
		sizes->pages += size;
	else if (strcmp(kind->stem, "pagemap") == 0)
		sizes->pagemaps += size;
	else if (strcmp(kind->stem, "ghost-file") == 0 || strcmp(kind->stem, "tmpfs") == 0)
		sizes->ghosts += size;
	else
		sizes->other += size;
	return 0;
}

static int add_sizes(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		     struct fi_error *err)
{
	struct json_object *list = fi_json_array(js, to, "sizes"), *entry;
	size_t i;
	int r;

	for (i = 0; i < cp->chain.nr; i++) {
		struct sizes sizes = { .pages = 0 };

		r = fi_image_dir_list(&cp->chain.dirs[i], add_size, &sizes, err);
		if (r < 0)
			return r;
		entry = fi_json_object(js, list, NULL);
		fi_json_u64(js, entry, "level", i);
		fi_json_u64(js, entry, "files", sizes.nr);
		fi_json_u64(js, entry, "pages_bytes", sizes.pages);
		fi_json_u64(js, entry, "pagemaps_bytes", sizes.pagemaps);
		fi_json_u64(js, entry, "contents_bytes", sizes.ghosts);
		fi_json_u64(js, entry, "other_bytes", sizes.other);
	}
	return 0;
}

/* --- tasks -------------------------------------------------------------------------------------- */

static void add_counts(struct fi_json *js, struct json_object *to, const struct fi_counts *counts)
{
	struct json_object *memory = fi_json_object(js, to, "memory");

	fi_json_u64(js, memory, "pages", counts->pages);
	fi_json_u64(js, memory, "lazy", counts->lazy);
	fi_json_u64(js, memory, "eager", counts->eager);
	fi_json_u64(js, memory, "data", counts->data);
	fi_json_u64(js, memory, "zero", counts->zero);
	fi_json_u64(js, memory, "parent", counts->parent);
	fi_json_u64(js, memory, "shared", counts->shared);
	fi_json_u64(js, memory, "runs", counts->runs);
	fi_json_u64(js, memory, "largest_run", counts->largest);
}

/* Adds the name of a file that is known by its id. */
static void add_file(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		     const char *key, uint32_t id)
{
	const struct fi_file *file = id ? fi_checkpoint_file(cp, id) : NULL;

	if (file)
		fi_json_text(js, to, key, file->name);
}

static void add_map(const struct fi_checkpoint *cp, size_t task_nr, const struct fi_vma *vma,
		    struct fi_json *js, struct json_object *to)
{
	const struct fi_task_image *task = fi_image_task(cp->image, task_nr);
	const struct fi_segment *shared = fi_checkpoint_shared(cp, vma);
	const struct fi_counts counts = fi_count_vma(cp, task, vma);
	const char *why = fi_vma_why(vma, &counts);
	const char prot[] = { vma->prot & PROT_READ ? 'r' : '-', vma->prot & PROT_WRITE ? 'w' : '-',
			      vma->prot & PROT_EXEC ? 'x' : '-',
			      vma->flags & MAP_SHARED ? 's' : 'p', '\0' };
	struct json_object *map = fi_json_object(js, to, NULL);

	fi_json_hex(js, map, "start", vma->start);
	fi_json_hex(js, map, "end", vma->end);
	fi_json_u64(js, map, "size_pages", (vma->end - vma->start) >> FI_PAGE_SHIFT);
	fi_json_text(js, map, "prot", prot);
	fi_json_text(js, map, "kind", fi_vma_kind(&cp->more[task_nr], vma));
	if (vma->status & (FI_VMA_FILE_PRIVATE | FI_VMA_FILE_SHARED | FI_VMA_MEMFD)) {
		add_file(cp, js, map, "file", (uint32_t)vma->shmid);
		fi_json_hex(js, map, "offset", vma->pgoff);
	}
	if (shared)
		fi_json_u64(js, map, "segment", shared->id);
	if (vma->madv)
		fi_json_hex(js, map, "madvise", vma->madv);
	fi_json_bool(js, map, "lazy", counts.lazy > 0);
	if (why)
		fi_json_text(js, map, "why", why);
	if (counts.pages > 1)
		fi_json_real(js, map, "fragmentation",
			     (double)(counts.runs - 1) / (double)(counts.pages - 1));
	add_counts(js, map, &counts);
}

static const char *state_name(uint32_t state)
{
	switch (state) {
	case 1:
		return "alive";
	case 3:
		return "stopped";
	case 2:
	case 6:
		return "zombie";
	default:
		return "unknown";
	}
}

static void add_task(const struct fi_checkpoint *cp, size_t i, const struct fi_filter *filter,
		     bool maps, struct fi_counts *sum, struct fi_json *js, struct json_object *to)
{
	const struct fi_task_image *task = fi_image_task(cp->image, i);
	const struct fi_counts counts = fi_count_task(cp, task);
	const struct fi_task_more *more = &cp->more[i];
	struct json_object *entry = fi_json_object(js, to, NULL), *list, *thread;
	size_t k;

	fi_counts_add(sum, &counts);
	fi_json_u64(js, entry, "pid", task->vpid);
	fi_json_u64(js, entry, "ppid", task->ppid);
	fi_json_u64(js, entry, "pgid", more->pgid);
	fi_json_u64(js, entry, "sid", more->sid);
	fi_json_text(js, entry, "name", task->comm);
	fi_json_text(js, entry, "state", state_name(more->state));
	if (more->has_creds) {
		fi_json_u64(js, entry, "uid", more->uid);
		fi_json_u64(js, entry, "gid", more->gid);
	}
	add_file(cp, js, entry, "exe", more->exe_id);
	add_file(cp, js, entry, "cwd", more->cwd_id);
	list = fi_json_array(js, entry, "threads");
	for (k = 0; k < more->nr_threads; k++) {
		thread = fi_json_object(js, list, NULL);
		fi_json_u64(js, thread, "tid", more->threads[k].tid);
		fi_json_text(js, thread, "name", more->threads[k].comm);
	}
	fi_json_u64(js, entry, "mappings", task->mm ? task->mm->nr_vmas : 0);
	add_counts(js, entry, &counts);
	if (!maps || !task->mm)
		return;
	list = fi_json_array(js, entry, "maps");
	for (k = 0; k < task->mm->nr_vmas; k++)
		if (fi_filter_vma(filter, more, &task->mm->vmas[k]))
			add_map(cp, i, &task->mm->vmas[k], js, list);
}

static void add_shared(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to)
{
	struct json_object *list = fi_json_array(js, to, "shared"), *entry;
	struct fi_counts counts;
	size_t i;

	for (i = 0; i < cp->shared.nr; i++) {
		counts = fi_count_range(cp, &cp->shared.at[i].pagemap, 0, UINT64_MAX);
		entry = fi_json_object(js, list, NULL);
		fi_json_u64(js, entry, "segment", cp->shared.at[i].id);
		add_counts(js, entry, &counts);
	}
}

int fi_report_overview(const struct fi_checkpoint *cp, const struct fi_filter *filter, bool maps,
		       struct fi_json *js, struct json_object *to, struct fi_error *err)
{
	struct fi_counts sum = { .pages = 0 };
	struct json_object *list;
	size_t i;
	int r;

	r = fi_report_origin(cp, js, to, err);
	if (r == 0)
		r = add_sizes(cp, js, to, err);
	if (r < 0)
		return r;
	list = fi_json_array(js, to, "tasks");
	for (i = 0; i < fi_image_nr_tasks(cp->image); i++)
		if (fi_filter_task(filter, fi_image_task(cp->image, i)))
			add_task(cp, i, filter, maps, &sum, js, list);
	add_shared(cp, js, to);
	add_counts(js, to, &sum);
	return 0;
}
