/* images/inspect/checkpoint.h - a checkpoint, directory or archive, opened to be looked at.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Beside the image (images/image.h) it has what a restore by the engine does not need: threads, ids,
 * shared memory, names of files.  Immutable once open.
 */
#ifndef FI_INSPECT_CHECKPOINT_H
#define FI_INSPECT_CHECKPOINT_H

#include "images/inspect/archive.h"
#include "images/parts.h"
#include "images/segments.h"

struct fi_thread {
	uint32_t tid;
	char comm[16]; /* terminated */
};

/* The numbers that CRIU gives to namespaces; equal ones are shared.  0: not recorded. */
enum fi_ns {
	FI_NS_PID,
	FI_NS_NET,
	FI_NS_IPC,
	FI_NS_UTS,
	FI_NS_MNT,
	FI_NS_USER,
	FI_NS_CGROUP,
	FI_NS_TIME,
	FI_NS_NR
};
extern const char *const fi_ns_names[FI_NS_NR];

/* What struct fi_task_image has not, in the same order. */
struct fi_task_more {
	uint32_t pgid, sid;
	uint32_t uid, gid; /* of the main thread; meaningful when has_creds */
	uint32_t state;	   /* CRIU's: 1 alive, 2 dead, 3 stopped, 6 zombie */
	struct fi_thread *threads;
	size_t nr_threads;
	uint32_t exe_id; /* a file's; 0: none */
	uint32_t cwd_id, root_id;
	uint32_t files_id; /* names fdinfo-ID.img; 0: not recorded */
	uint32_t ns[FI_NS_NR];
	uint64_t start_stack, start_brk, brk;
	uint64_t arg_start, arg_end, env_start, env_end;
	bool has_creds;
};

struct fi_file {
	uint32_t id, type;
	char *name;	/* a path, or what it is */
	uint32_t inode; /* of a memory file */
	uint64_t shmid; /* of a memory file: its segment */
};

struct fi_checkpoint {
	char *name; /* as the caller calls it */
	int fd;
	struct fi_archive *archive; /* NULL: a directory */
	struct fi_chain chain;
	struct fi_image *image;
	struct fi_task_more *more;
	struct fi_segments shared; /* its runs' `file` is an index for fi_checkpoint_pages_file */
	struct fi_file *files;	   /* ascending by id */
	size_t nr_files;
};

/* Opens the directory or archive @path, "-" being an archive on standard input.  Errors as of
 * fi_image_open and fi_archive_open.  Release with fi_checkpoint_close, also after a failure. */
int fi_checkpoint_open(const char *path, struct fi_checkpoint *cp, struct fi_error *err);

/* The first step of it alone: finds the image and sets *@ret to its place, for fi_chain_open. */
int fi_checkpoint_open_place(const char *path, struct fi_checkpoint *cp, struct fi_image_dir *ret,
			     struct fi_error *err);

void fi_checkpoint_close(struct fi_checkpoint *cp);
#define fi_auto_checkpoint fi_cleanup(fi_checkpoint_close)

/* The image's pages files come first, those of shared memory after them. */
size_t fi_checkpoint_nr_pages_files(const struct fi_checkpoint *cp);
const struct fi_pages_file *fi_checkpoint_pages_file(const struct fi_checkpoint *cp, size_t i);

const struct fi_file *fi_checkpoint_file(const struct fi_checkpoint *cp, uint32_t id);

/* The segment of shared memory that @vma shows, or NULL. */
const struct fi_segment *fi_checkpoint_shared(const struct fi_checkpoint *cp,
					      const struct fi_vma *vma);

/* "regular", "pipe", ...: a type of CRIU's fd_types. */
const char *fi_file_type_name(uint32_t type);

#endif
