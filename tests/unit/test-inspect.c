/* tests/unit/test-inspect.c - reports, searches, differences and verdicts about a small image whose
 * every page is known, as a directory and as an archive; and about damaged ones.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "images/inspect/content.h"
#include "images/inspect/diff.h"
#include "images/inspect/html.h"
#include "images/inspect/memory.h"
#include "images/inspect/search.h"
#include "images/inspect/text.h"
#include "images/inspect/verify.h"
#include "tests/unit/inspect-sample.h"

struct sample {
	struct builder image, parent;
};

static int setup(void **state)
{
	struct sample *sample = calloc(1, sizeof(*sample));

	assert_non_null(sample);
	inspect_sample(&sample->image, &sample->parent);
	*state = sample;
	return 0;
}

static int teardown(void **state)
{
	struct sample *sample = *state;

	builder_done(&sample->parent);
	builder_done(&sample->image);
	free(sample);
	return 0;
}

/* Everything that can be reported, as JSON; NULL when the image is refused, with a reason. */
static struct json_object *report(const char *path)
{
	static const uint8_t pattern[] = { 1, 0, 0, 0 };
	fi_auto_checkpoint struct fi_checkpoint cp = { .fd = -EBADF };
	fi_auto_digests struct fi_digests digests = { .of_file = NULL };
	const struct fi_filter filter = { .pid = 0 };
	struct json_object *root = json_object_new_object();
	struct fi_json js = { .failed = false };
	struct fi_error err = { "" };
	int r;

	r = fi_checkpoint_open(path, &cp, &err);
	if (r == 0)
		r = fi_report_overview(&cp, &filter, true, &js, root, &err);
	if (r == 0)
		r = fi_report_files(&cp, &filter, &js, root, &err);
	if (r == 0)
		r = fi_report_sockets(&cp, &js, root, &err);
	if (r == 0)
		r = fi_report_mounts(&cp, &js, root, &err);
	if (r == 0)
		r = fi_report_namespaces(&cp, &js, root, &err);
	if (r == 0)
		r = fi_report_environment(&cp, &filter, &js, root, &err);
	if (r == 0)
		r = fi_report_dump(&cp, &filter, 0x14ffc, 16, &js, root, &err);
	if (r == 0)
		r = fi_report_grep(&cp, &filter, pattern, sizeof(pattern), NULL, NULL, &js, root,
				   &err);
	if (r == 0)
		r = fi_digests_make(&cp, NULL, NULL, &digests, &err);
	if (r == 0)
		r = fi_report_content(&cp, &digests, &js, root, &err);
	if (r == 0)
		fi_report_diff(&cp, &digests, &cp, &digests, &filter, &js, root);
	assert_false(js.failed);
	if (r == 0)
		return root;
	assert_true(r < 0);
	assert_true(err.text[0]);
	json_object_put(root);
	return NULL;
}

/* A member of a member: "tasks.0.memory.pages". */
static struct json_object *at(struct json_object *from, const char *path)
{
	char name[64];
	size_t n;

	for (; from && *path; path += n + (path[n] == '.')) {
		n = strcspn(path, ".");
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
		if (json_object_is_type(from, json_type_array))
			from = json_object_array_get_idx(from, strtoul(name, NULL, 10));
		else if (!json_object_object_get_ex(from, name, &from))
			return NULL;
	}
	return from;
}

#define assert_number(root, path, expected)                                                        \
	assert_int_equal(json_object_get_uint64(at(root, path)), expected)
#define assert_text(root, path, expected)                                                          \
	assert_string_equal(json_object_get_string(at(root, path)), expected)

/* What is true of the sample, wherever it is. */
static void assert_report(struct json_object *root)
{
	assert_non_null(root);
	assert_number(root, "image.parents", 1);
	assert_text(root, "image.run_id", "some-run");
	assert_number(root, "image.dump.pages_written", 15);
	assert_number(root, "tasks.0.pid", 10);
	assert_number(root, "tasks.0.uid", 1000);
	assert_text(root, "tasks.0.threads.1.name", "a-thread");
	assert_text(root, "tasks.0.exe", "/lib/\033[31mred\\xff");
	assert_text(root, "tasks.1.state", "zombie");
	assert_number(root, "tasks.0.memory.pages", 15);
	assert_number(root, "tasks.0.memory.lazy", 10);
	assert_number(root, "tasks.0.memory.eager", 5);
	assert_number(root, "tasks.0.memory.zero", 1);
	assert_number(root, "tasks.0.memory.parent", 2);
	assert_number(root, "tasks.0.memory.data", 12);
	assert_number(root, "tasks.0.memory.shared", 2);
	assert_number(root, "memory.pages", 18);
	assert_number(root, "shared.0.memory.pages", 2);
	assert_text(root, "tasks.0.maps.2.kind", "file");
	assert_text(root, "tasks.0.maps.3.kind", "shared");
	assert_text(root, "tasks.0.maps.4.why", "locked in memory");
	assert_null(at(root, "tasks.0.maps.0.why"));
	assert_text(root, "files.open.7.name", "memfd:some-memory");
	assert_number(root, "files.tasks.0.descriptors.1.fd", 1);
	assert_text(root, "sockets.0.local", "127.0.0.1:80");
	assert_text(root, "sockets.1.local", "[7f00:1::]:80");
	assert_text(root, "sockets.2.local", "@n\\xff\n");
	assert_text(root, "mounts.0.mounts.1.type", "special");
	assert_text(root, "namespaces.2.type", "uts");
	assert_text(root, "namespaces.2.hostname", "inner");
	/* The stamp of page 1 of file 1 is at 0x11000: 01 00 00 00 01 00 00 00. */
	assert_text(root, "environment.0.pid", "10");
	/* 0x15000 is page 2 of the parent's file, whose tag is 3. */
	assert_text(root, "dump.0.bytes", "00000000020000000300000000000000");
	assert_true(json_object_get_boolean(at(root, "dump.0.whole")));
	assert_number(root, "pages.pages", 20);
	assert_number(root, "pages.zero", 1);
	assert_number(root, "pages.distinct", 19);
	assert_number(root, "diff.changed", 0);
	assert_number(root, "diff.same", 18);
}

static void directory(void **state)
{
	struct sample *sample = *state;
	struct json_object *root = report(sample->image.path);

	assert_report(root);
	json_object_put(root);
}

static void archives(void **state)
{
	static const int filters[] = { ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP,
				       ARCHIVE_FILTER_ZSTD };
	struct sample *sample = *state;
	struct json_object *root;
	char path[40];
	size_t i;
	int fd;

	for (i = 0; i < FI_ARRAY_SIZE(filters); i++) {
		fd = inspect_tar(&sample->image, filters[i]);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		root = report(path);
		assert_report(root);
		assert_text(root, "image.inside", "checkpoint/");
		json_object_put(root);
		close(fd);
	}
}

/* No control character of the image gets into text, and no "<" into the page's data. */
static void harmless(void **state)
{
	struct sample *sample = *state;
	struct json_object *root = report(sample->image.path);
	struct fi_error err = { "" };
	char *text = NULL, *data;
	size_t len = 0, i;
	FILE *to;

	json_object_object_add(root, "evil", json_object_new_string("</script><!--"));
	to = open_memstream(&text, &len);
	assert_non_null(to);
	fi_text_report(root, to);
	assert_int_equal(fclose(to), 0);
	for (i = 0; i < len; i++)
		assert_true((unsigned char)text[i] >= 0x20 || text[i] == '\n');
	assert_non_null(strstr(text, "\\x1b[31mred"));
	free(text);

	to = open_memstream(&text, &len);
	assert_non_null(to);
	assert_int_equal(fi_html_report(root, to, &err), 0);
	assert_int_equal(fclose(to), 0);
	data = strstr(text, "id=\"report\">");
	assert_non_null(data);
	data += strlen("id=\"report\">");
	assert_int_equal(strncmp(data + strcspn(data, "<"), "</script>\n", 10), 0);
	assert_null(strstr(text, "http:"));
	assert_null(strstr(text, "https:"));
	free(text);
	json_object_put(root);
}

static void strings(void **state)
{
	static const char bytes[] = "a\xc3\xa4\xc3 \xe2\x82\xac \xed\xa0\x80 \xf5 \xc0\x80\x80";
	struct json_object *root = json_object_new_object();
	struct fi_json js = { .failed = false };

	fi_json_bytes(&js, root, "text", bytes, sizeof(bytes) - 1);
	assert_text(root, "text",
		    "a\xc3\xa4\\xc3 \xe2\x82\xac \\xed\\xa0\\x80 \\xf5 \\xc0\\x80\\x80");
	assert_false(js.failed);
	fi_json_u64(&js, NULL, "number", 1);
	assert_true(js.failed);
	json_object_put(root);
}

/* --- verify, and damage ------------------------------------------------------------------------- */

static size_t nr_findings(const char *path)
{
	fi_auto_verdict struct fi_verdict verdict = { .findings = NULL };
	struct fi_error err = { "" };
	size_t i;
	int r;

	r = fi_verify(path, &verdict, &err);
	if (r < 0) {
		assert_true(err.text[0]);
		return 1;
	}
	for (i = 0; i < verdict.nr; i++) {
		assert_true(verdict.findings[i].file[0]);
		assert_true(verdict.findings[i].what[0]);
		assert_true(verdict.findings[i].loss[0]);
	}
	return verdict.nr;
}

static void print_findings(const char *path)
{
	fi_auto_verdict struct fi_verdict verdict = { .findings = NULL };
	size_t i;

	if (fi_verify(path, &verdict, NULL) == 0)
		for (i = 0; i < verdict.nr; i++)
			print_message("# %s: %s\n", verdict.findings[i].file,
				      verdict.findings[i].what);
}

static void good_is_whole(void **state)
{
	struct sample *sample = *state;
	char path[40];
	int fd;

	print_findings(sample->image.path);
	assert_int_equal(nr_findings(sample->image.path), 0);
	fd = inspect_tar(&sample->image, ARCHIVE_FILTER_ZSTD);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(nr_findings(path), 0);
	close(fd);
}

/* Whatever happens, nothing crashes or leaks, and what is refused has a reason. */
static void try_all(const char *path)
{
	struct json_object *root = report(path);

	json_object_put(root);
	(void)nr_findings(path);
}

/* True if a record of the file ends at @len. */
static bool is_whole(const char *name, const uint8_t *data, size_t len)
{
	size_t pos = strcmp(name, "inventory.img") == 0 ? 4 : 8;
	uint32_t record;

	while (pos + sizeof(record) <= len) {
		memcpy(&record, data + pos, sizeof(record));
		pos += sizeof(record) + record;
	}
	return pos == len;
}

static void cut_everywhere(void **state)
{
	struct sample *sample = *state;
	const struct builder *b = &sample->image;
	size_t i, k, len;
	uint8_t *data;

	for (i = 0; i < inspect_nr_files; i++) {
		data = builder_read(b, inspect_files[i], &len);
		for (k = 0; k < len; k++) {
			builder_write(b, inspect_files[i], data, k);
			try_all(b->path);
			if (!is_whole(inspect_files[i], data, k) && nr_findings(b->path) == 0)
				fail_msg("'%s' cut at %zu is whole, verify says", inspect_files[i],
					 k);
		}
		builder_write(b, inspect_files[i], data, len);
		free(data);
	}
	assert_int_equal(nr_findings(b->path), 0);
}

static void flip_bits(void **state)
{
	static const uint8_t masks[] = { 0x01, 0x08, 0x80, 0xff };
	struct sample *sample = *state;
	const struct builder *b = &sample->image;
	size_t before = nr_open_fds(), i, k, len;
	uint8_t *data;

	for (i = 0; i < inspect_nr_files; i++) {
		data = builder_read(b, inspect_files[i], &len);
		for (k = 0; k < len * FI_ARRAY_SIZE(masks); k++) {
			data[k / FI_ARRAY_SIZE(masks)] ^= masks[k % FI_ARRAY_SIZE(masks)];
			builder_write(b, inspect_files[i], data, len);
			try_all(b->path);
			data[k / FI_ARRAY_SIZE(masks)] ^= masks[k % FI_ARRAY_SIZE(masks)];
		}
		builder_write(b, inspect_files[i], data, len);
		free(data);
	}
	assert_int_equal(nr_open_fds(), before);
	assert_int_equal(nr_findings(b->path), 0);
}

static void damaged_archives(void **state)
{
	static const int filters[] = { ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP,
				       ARCHIVE_FILTER_ZSTD };
	struct sample *sample = *state;
	size_t i, round, k;
	char path[40];
	off_t len, where;
	uint8_t byte;
	int fd;

	srand(1);
	for (i = 0; i < FI_ARRAY_SIZE(filters); i++) {
		fd = inspect_tar(&sample->image, filters[i]);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = lseek(fd, 0, SEEK_END);
		for (round = 0; round < 400; round++) {
			struct {
				off_t where;
				uint8_t was;
			} undo[3];

			for (k = 0; k < FI_ARRAY_SIZE(undo); k++) {
				where = rand() % len;
				assert_int_equal(pread(fd, &byte, 1, where), 1);
				undo[k].where = where;
				undo[k].was = byte;
				byte = (uint8_t)rand();
				assert_int_equal(pwrite(fd, &byte, 1, where), 1);
			}
			try_all(path);
			while (k-- > 0)
				assert_int_equal(pwrite(fd, &undo[k].was, 1, undo[k].where), 1);
		}
		for (round = 0; round < 60; round++) {
			assert_return_code(ftruncate(fd, len - len * (off_t)round / 60 - 1), errno);
			try_all(path);
		}
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings),
		cmocka_unit_test_setup_teardown(directory, setup, teardown),
		cmocka_unit_test_setup_teardown(archives, setup, teardown),
		cmocka_unit_test_setup_teardown(harmless, setup, teardown),
		cmocka_unit_test_setup_teardown(good_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(flip_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_archives, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
