/* images/inspect/estimate.c - see estimate.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * eager    = fixed + tasks + mappings + (all pages) x (read + first touch)
 * lazy     = fixed + tasks + mappings + (eager pages) x (read + first touch)
 * resident = lazy + (lazy pages) x (read + first touch) / drain threads
 *
 * UFFDIO_COPY costs what a first touch and a copy do, more or less.
 */
#include "config.h"

#include "images/inspect/estimate.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "images/inspect/maps.h"

#define SAMPLE	   ((size_t)32 * 1024 * 1024)
#define PIECE	   ((size_t)1024 * 1024)
#define MAX_DRAINS 4 /* as many threads as the engine has */

/* What CRIU takes whatever the memory is, from restores of trees of 1 to 17 tasks with CRIU 4.2. */
#define FIXED_US   35000
#define TASK_US	   2500
#define MAPPING_US 15

/* Nanoseconds for the first touch of a page of anonymous memory; 0: could not be measured. */
static double measure_touch(void)
{
	uint64_t start;
	uint8_t *mem;
	double ns;

	mem = mmap(NULL, SAMPLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return 0;
	(void)madvise(mem, SAMPLE, MADV_NOHUGEPAGE); /* a restore maps small pages */
	start = fi_now_ns();
	memset(mem, 1, SAMPLE);
	ns = (double)(fi_now_ns() - start) / (double)(SAMPLE >> FI_PAGE_SHIFT);
	(void)munmap(mem, SAMPLE);
	return ns;
}

/* Nanoseconds to read a page of the image, from wherever it is now; 0: could not be measured. */
static double measure_read(const struct fi_checkpoint *cp)
{
	fi_auto_free uint8_t *buf = malloc(PIECE);
	uint64_t start, done = 0, off;
	ssize_t got;
	size_t i;

	if (!buf || cp->archive)
		return 0;
	start = fi_now_ns();
	for (i = 0; i < fi_checkpoint_nr_pages_files(cp); i++) {
		const struct fi_pages_file *file = fi_checkpoint_pages_file(cp, i);

		for (off = 0; off < file->size && done < SAMPLE; off += (uint64_t)got) {
			got = pread(file->fd, buf, PIECE, (off_t)off);
			if (got <= 0)
				break;
			done += (uint64_t)got;
		}
	}
	if (done < PIECE)
		return 0;
	return (double)(fi_now_ns() - start) / ((double)done / (double)FI_PAGE_SIZE);
}

int fi_report_estimate(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		       struct fi_error *err)
{
	struct json_object *estimate, *measured, *assumed;
	double touch, read, fixed, eager, lazy;
	struct fi_counts sum = { .pages = 0 }, one;
	uint64_t maps = 0, tasks = 0, shared = 0;
	unsigned drains = 1;
	cpu_set_t cpus;
	size_t i;

	touch = measure_touch();
	read = measure_read(cp);
	if (touch == 0 || (read == 0 && !cp->archive))
		return fi_error_set(err, -EAGAIN, "the costs of memory could not be measured");
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		drains = (unsigned)CPU_COUNT(&cpus) < MAX_DRAINS ? (unsigned)CPU_COUNT(&cpus)
								 : MAX_DRAINS;
	for (i = 0; i < fi_image_nr_tasks(cp->image); i++) {
		const struct fi_task_image *task = fi_image_task(cp->image, i);

		one = fi_count_task(cp, task);
		fi_counts_add(&sum, &one);
		maps += task->mm ? task->mm->nr_vmas : 0;
		tasks++;
	}
	for (i = 0; i < cp->shared.nr; i++)
		shared += cp->shared.at[i].pagemap.nr_pages;

	fixed = FIXED_US + TASK_US * (double)tasks + MAPPING_US * (double)maps;
	eager = fixed + (double)(sum.pages + shared) * (touch + read) / 1000;
	lazy = fixed + (double)(sum.eager + shared) * (touch + read) / 1000;

	estimate = fi_json_object(js, to, "estimate");
	fi_json_u64(js, estimate, "eager_us", (uint64_t)eager);
	fi_json_u64(js, estimate, "lazy_us", (uint64_t)lazy);
	fi_json_u64(js, estimate, "resident_us",
		    (uint64_t)(lazy + (double)sum.lazy * (touch + read) / 1000 / drains));
	measured = fi_json_object(js, estimate, "measured");
	fi_json_real(js, measured, "touch_ns_per_page", touch);
	if (!cp->archive)
		fi_json_real(js, measured, "read_ns_per_page", read);
	fi_json_u64(js, measured, "drain_threads", drains);
	assumed = fi_json_object(js, estimate, "assumed");
	fi_json_u64(js, assumed, "fixed_us", FIXED_US);
	fi_json_u64(js, assumed, "per_task_us", TASK_US);
	fi_json_u64(js, assumed, "per_mapping_us", MAPPING_US);
	return 0;
}
