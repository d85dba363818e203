/* tests/fuzz/fuzz-archive.c - archives as they come, packed or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is the archive.  The mutator knows a tar's headers, and puts their checksums right.
 */
#include "config.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "images/inspect/archive.h"
#include "tests/fuzz/fuzz.h"

#define BLOCK	 512
#define PASS_MAX (UINT64_C(16) << 20)

/* Of a tar header. */
#define NAME_LEN     100
#define SIZE	     124
#define SIZE_LEN     11
#define CHECKSUM     148
#define CHECKSUM_LEN 8
#define TYPE	     156
#define LINK	     157
#define USTAR	     257

/* libarchive itself is not instrumented: what it complains of says how far an input came. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t complaints[1024];

static void note(const struct fi_error *error)
{
	unsigned hash = 5381;
	const char *at;

	for (at = error->text; *at; at++)
		if (*at < '0' || *at > '9')
			hash = hash * 33 + (uint8_t)*at;
	complaints[hash % sizeof(complaints)] = 1;
}

static bool wants(const struct fi_packed_file *file, void *arg)
{
	return true;
}

/* Holes may go on for ever: enough is enough. */
static int block(const struct fi_packed_file *file, uint64_t off, const uint8_t *data, size_t len,
		 void *arg)
{
	uint64_t *passed = arg;

	FUZZ_CHECK(len > 0 && off + len <= file->size);
	FUZZ_CHECK(data[0] + data[len - 1] < 512); /* they can be read */
	*passed += len;
	return *passed > PASS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t passed = 0;
	const struct fi_archive_reader reader = { wants, block, &passed };
	fi_auto_archive struct fi_archive *archive = NULL;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct fi_error error = { "" };
	char prefix[FI_PREFIX_MAX];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		err(1, "cannot write");
	if (fi_archive_open(fd, &archive, &error) == 0) {
		const struct fi_packed *files = fi_archive_files(archive);
		size_t i;

		for (i = 1; i < files->nr; i++)
			FUZZ_CHECK(strcmp(files->files[i - 1].name, files->files[i].name) < 0);
		if (fi_archive_find_image(archive, prefix, &error) == 0)
			FUZZ_CHECK(prefix[0] == '\0' || prefix[strlen(prefix) - 1] == '/');
		(void)fi_archive_read(archive, &reader, &error);
	} else {
		FUZZ_CHECK(error.text[0] && !archive);
	}
	note(&error);
	(void)close(fd);
	return 0;
}

static void sign(uint8_t *header)
{
	unsigned sum = 0, i;
	char text[CHECKSUM_LEN];

	memset(header + CHECKSUM, ' ', CHECKSUM_LEN);
	for (i = 0; i < BLOCK; i++)
		sum += header[i];
	(void)snprintf(text, sizeof(text), "%06o", sum & 0777777);
	memcpy(header + CHECKSUM, text, CHECKSUM_LEN - 1);
}

static bool is_header(const uint8_t *block)
{
	return memcmp(block + USTAR, "ustar", 5) == 0;
}

/* Changes one field of a header. */
static void change_header(uint8_t *header, unsigned *seed)
{
	static const char types[] = "0123567xgLKSA";
	static const char *const sizes[] = { "00000000000", "00000000001", "00000001000",
					     "00000010000", "77777777777", "-0000000001" };

	switch (rand_r(seed) % 4) {
	case 0:
		header[TYPE] = (uint8_t)types[(unsigned)rand_r(seed) % (sizeof(types) - 1)];
		break;
	case 1:
		memcpy(header + SIZE, sizes[(unsigned)rand_r(seed) % FI_ARRAY_SIZE(sizes)],
		       SIZE_LEN);
		break;
	case 2:
		(void)LLVMFuzzerMutate(header + LINK, NAME_LEN, NAME_LEN);
		break;
	default:
		(void)LLVMFuzzerMutate(header, NAME_LEN, NAME_LEN);
		break;
	}
}

/* Doubles a block, or takes one away. */
static size_t change_blocks(uint8_t *data, size_t size, size_t max, unsigned *seed)
{
	size_t at = (size_t)rand_r(seed) % (size / BLOCK) * BLOCK;

	if (rand_r(seed) % 2) {
		memmove(data + at, data + at + BLOCK, size - at - BLOCK);
		return size - BLOCK;
	}
	if (size + BLOCK > max)
		return size;
	memmove(data + at + BLOCK, data + at, size - at);
	return size + BLOCK;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int with)
{
	unsigned seed = with;
	size_t at, n;

	switch (size < BLOCK ? 0 : rand_r(&seed) % 4) {
	case 0:
		size = LLVMFuzzerMutate(data, size, max);
		break;
	case 1:
		size = change_blocks(data, size, max, &seed);
		break;
	default:
		n = (size_t)rand_r(&seed) % (size / BLOCK);
		for (at = n * BLOCK; at > 0 && !is_header(data + at); at -= BLOCK)
			;
		change_header(data + at, &seed);
		break;
	}
	for (at = 0; at + BLOCK <= size; at += BLOCK)
		if (is_header(data + at))
			sign(data + at);
	return size;
}
