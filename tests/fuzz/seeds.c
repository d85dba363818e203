/* tests/fuzz/seeds.c - writes the inputs that fuzzing begins with.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: seeds DIR [IMAGE-DIR]...
 *
 * Makes DIR/TARGET/ for each target.  The images are those of the unit tests' builder; with images
 * named, these become seeds, too.
 */
#include "config.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "restore/lazysock.h"
#include "restore/request.h"
#include "tests/fuzz/pack.h"
#include "tests/unit/inspect-sample.h"

/* Enough of a pages file for what is looked for in it. */
#define PAGES_KEPT 64

static const char *out;

/* The data of the pack that is being made. */
static uint8_t room[PACK_FILES * 16384];
static size_t room_used;

static void save(const char *target, const char *name, const void *data, size_t len)
{
	char path[1024];
	FILE *to;

	(void)snprintf(path, sizeof(path), "%s/%s", out, target);
	(void)mkdir(path, 0777);
	(void)snprintf(path, sizeof(path), "%s/%s/%s", out, target, name);
	to = fopen(path, "we");
	if (!to || fwrite(data, 1, len, to) != len || fclose(to) != 0)
		err(1, "cannot write '%s'", path);
}

/* --- images ------------------------------------------------------------------------------------- */

static void take_file(struct pack *pack, int dirfd, const char *prefix, const char *name)
{
	struct pack_file *file = &pack->files[pack->nr];
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	uint8_t *data = room + room_used;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "cannot open '%s'", name);
	*file = (struct pack_file){ .kind = strncmp(name, "pages-", 6) == 0 ? 'P' : 'F' };
	if (!S_ISREG(st.st_mode) || pack->nr == PACK_FILES - 1 ||
	    (file->kind == 'F' && st.st_size > 16384) ||
	    snprintf(file->name, PACK_NAME, "%s%s", prefix, name) >= PACK_NAME) {
		(void)close(fd);
		return;
	}
	file->size = st.st_size < (off_t)PACK_SIZE ? (uint32_t)st.st_size : PACK_SIZE;
	file->len = file->kind == 'P' && file->size > PAGES_KEPT ? PAGES_KEPT : file->size;
	if (read(fd, data, file->len) != (ssize_t)file->len)
		err(1, "cannot read '%s'", name);
	file->data = data;
	room_used += file->len;
	pack->nr++;
	(void)close(fd);
}

static void take_directory(struct pack *pack, int dirfd, const char *prefix)
{
	DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;

	if (!dir)
		err(1, "cannot list a directory");
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_REG)
			take_file(pack, dirfd, prefix, entry->d_name);
	(void)closedir(dir);
}

/* A directory, and what its "parent" leads to as "previous". */
static void take_image(struct pack *pack, int dirfd)
{
	static const char previous[] = "previous";
	int parent = openat(dirfd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	pack->nr = 0;
	room_used = 0;
	take_directory(pack, dirfd, "");
	if (parent < 0)
		return;
	pack->files[pack->nr++] = (struct pack_file){ .kind = 'L',
						      .name = "parent",
						      .data = (const uint8_t *)previous,
						      .len = sizeof(previous) - 1,
						      .size = sizeof(previous) - 1 };
	take_directory(pack, parent, "previous/");
	(void)close(parent);
}

static void save_pack(const struct pack *pack, const char *target, const char *name, int options)
{
	static uint8_t all[sizeof(room) * 2];
	struct pack with = *pack;

	with.options = (uint8_t)options;
	save(target, name, all, pack_write(&with, all, sizeof(all)));
}

static void save_image(const struct pack *pack, const char *name)
{
	char as[80];
	int i;

	save_pack(pack, "readers", name, PACK_FIT);
	save_pack(pack, "image", name, PACK_FIT);
	(void)snprintf(as, sizeof(as), "%s-archive", name);
	save_pack(pack, "verify", name, PACK_FIT);
	save_pack(pack, "verify", as, PACK_FIT | PACK_ARCHIVE | PACK_MORE);
	for (i = 0; i < 10; i++) {
		(void)snprintf(as, sizeof(as), "%s-%d", name, i);
		save_pack(pack, "inspect", as,
			  PACK_FIT | i * PACK_MORE | (i % 2 ? PACK_ARCHIVE : 0));
	}
}

/* Not packed: libFuzzer would keep the packed ones alone, because they are shorter, and would get
 * nowhere by changing them. */
static void save_archive(const struct pack *pack)
{
	int fd = pack_tar(pack);
	off_t len = lseek(fd, 0, SEEK_END);
	void *data = malloc((size_t)len);

	if (!data || pread(fd, data, (size_t)len, 0) != len)
		err(1, "cannot read an archive");
	save("archive", "tar", data, (size_t)len);
	free(data);
	(void)close(fd);
}

/* Archives are long enough with a few short files. */
static void keep_few(struct pack *pack)
{
	static const char *const kept[] = { "inventory.img", "parent", "pstree.img", "pages-1.img",
					    "previous/inventory.img" };
	struct pack few = { .nr = 0 };
	size_t i;

	for (i = 0; i < FI_ARRAY_SIZE(kept); i++) {
		const struct pack_file *file = pack_find(pack, kept[i]);

		if (!file)
			errx(1, "'%s' is not in the sample", kept[i]);
		few.files[few.nr] = *file;
		few.files[few.nr].size = (uint32_t)file->len;
		few.nr++;
	}
	*pack = few;
}

/* The parent gets a parent, which is like it. */
static void deepen(struct pack *pack)
{
	static const char older[] = "../older", previous[] = "previous/";
	const size_t nr = pack->nr, len = sizeof(previous) - 1;
	size_t i;

	for (i = 0; i < nr && pack->nr < PACK_FILES - 1; i++) {
		struct pack_file *file = &pack->files[pack->nr];

		if (strncmp(pack->files[i].name, previous, len) != 0)
			continue;
		*file = pack->files[i];
		(void)snprintf(file->name, PACK_NAME, "older/%.30s", pack->files[i].name + len);
		pack->nr++;
	}
	pack->files[pack->nr++] = (struct pack_file){ .kind = 'L',
						      .name = "previous/parent",
						      .data = (const uint8_t *)older,
						      .len = sizeof(older) - 1,
						      .size = sizeof(older) - 1 };
}

static void images(void)
{
	static struct pack pack;
	struct builder b, parent;

	inspect_sample(&b, &parent);
	take_image(&pack, b.dirfd);
	save_image(&pack, "sample");
	keep_few(&pack);
	save_archive(&pack);
	builder_done(&parent);
	builder_done(&b);

	builder_sample(&b, &parent);
	take_image(&pack, b.dirfd);
	save_image(&pack, "plain");
	deepen(&pack);
	save_image(&pack, "deep");
	builder_done(&parent);
	builder_done(&b);
}

static void named_image(const char *path)
{
	static struct pack pack;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *base = strrchr(path, '/');

	if (fd < 0)
		err(1, "cannot open '%s'", path);
	take_image(&pack, fd);
	save_image(&pack, base && base[1] ? base + 1 : "named");
	(void)close(fd);
}

/* --- the rest ----------------------------------------------------------------------------------- */

static void lazysock(void)
{
	static const uint8_t task[] = { 0x04, 10, 0, 0, 0, 0x51, 0 };
	static const uint8_t pieces[] = { 0x42, 10, 0, 0xc2, 0, 0, 0xd1, 0 };
	static const uint8_t zombie[] = { 0x44, 0xf5, 0xff, 0xff, 0xff };
	static const uint8_t shared[] = {
		0x04, 3, 0, 0, 0x54, 0x51, 0, 0x44, 3, 0, 0, 0x55, 0x51, 0
	};
	static const uint8_t finished[] = { 0x44, 0x46, 0x54, 0x53, 0x52 };
	uint8_t all[64];
	size_t len = 0;

	memcpy(all, task, sizeof(task));
	len += sizeof(task);
	memcpy(all + len, pieces, sizeof(pieces));
	len += sizeof(pieces);
	memcpy(all + len, zombie, sizeof(zombie));
	len += sizeof(zombie);
	memcpy(all + len, finished, sizeof(finished));
	len += sizeof(finished);
	save("lazysock", "whole", all, len);
	save("lazysock", "shared", shared, sizeof(shared));
	save("lazysock", "zombie", zombie, sizeof(zombie));
	save("lazysock", "finished", finished, sizeof(finished));
}

static size_t put_event(uint8_t *to, const struct proc_event *event)
{
	const uint8_t len = NLMSG_HDRLEN + sizeof(struct cn_msg) + sizeof(*event);
	const struct nlmsghdr head = { .nlmsg_len = len, .nlmsg_type = NLMSG_DONE };
	const struct cn_msg cn = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(*event) };
	uint8_t *at = to;

	*at++ = 0;
	*at++ = len;
	memcpy(at, &head, NLMSG_HDRLEN);
	at += NLMSG_HDRLEN;
	memcpy(at, &cn, sizeof(cn));
	at += sizeof(cn);
	memcpy(at, event, sizeof(*event));
	return (size_t)(at - to) + sizeof(*event);
}

static void procevents(void)
{
	struct proc_event event = { .what = PROC_EVENT_FORK };
	uint8_t all[1024];
	size_t len = 0;

	event.event_data.fork.parent_tgid = 100;
	event.event_data.fork.child_pid = event.event_data.fork.child_tgid = 101;
	len += put_event(all + len, &event);
	event = (struct proc_event){ .what = PROC_EVENT_EXEC };
	event.event_data.exec.process_tgid = 101;
	len += put_event(all + len, &event);
	all[len++] = 2; /* overflowed */
	all[len++] = 0;
	event = (struct proc_event){ .what = PROC_EVENT_EXIT };
	event.event_data.exit.process_pid = event.event_data.exit.process_tgid = 101;
	len += put_event(all + len, &event);
	event = (struct proc_event){ .what = PROC_EVENT_NONE };
	len += put_event(all + len, &event);
	save("procevents", "whole", all, len);
}

/* @first, @addr, then @text. */
static void save_proc(const char *name, uint8_t first, uint64_t addr, const char *text)
{
	uint8_t all[1024];
	size_t len = strlen(text);

	all[0] = first;
	memcpy(all + 1, &addr, sizeof(addr));
	memcpy(all + 9, text, len);
	save("proc", name, all, 9 + len);
}

static void proc(void)
{
	save_proc("stat", 0, 0,
		  "12 (a ) name) S 1 12 12 0 -1 4194560 1714 0 3 0 2 1 0 0 20 0 1 0 4 8192 90 "
		  "18446744073709551615 1 1 0 0 0 0 65536 4 65538 1 0 0 17 1 0 0 0 0 0 1 1 1\n");
	save_proc("smaps", 1, 0x10000,
		  "00008000-0000a000 rw-p 00000000 00:00 0 [heap]\n"
		  "Rss:                   8 kB\nVmFlags: rd wr mr mw me ac sd\n"
		  "00010000-00020000 rw-p 00000000 00:00 0 \n"
		  "Rss:                   8 kB\nVmFlags: rd wr mr mw me wf ac sd\n");
}

static void save_words(const char *name, uint8_t first, const char *text, size_t len)
{
	uint8_t all[1024];

	all[0] = first;
	memcpy(all + 1, text, len);
	save("options", name, all, 1 + len);
}

static void options(void)
{
	static const char inspect[] = "--maps=10\0--files\0--sockets\0--mounts\0--namespaces\0--env"
				      "\0--pages\0--diff\0other\0--grep\0hex:0a0b\0--dump\0"
				      "0x1000,16\0--estimate\0-t\0"
				      "10\0--prot\0r?x\0--kind\0heap"
				      "\0--range\0"
				      "0x1000-0x2000\0--json\0--html\0page\0dir";
	static const char serve[] = "-v4\0--images-dir\0dir\0-W\0work\0--daemon\0--pidfile\0file\0"
				    "--status-fd\0"
				    "3\0--log-file\0log\0--json\0file\0"
				    "--images-dir-fd\0"
				    "4";
	static const char config[] =
		"lazy-pages # a word\nlog-file \"a \\\" b\"\n\n# nothing\nv4\n";
	static const char cmdline[] = "criu\0restore\0-D\0dir\0--lazy-pages\0--config\0file";

	save_words("inspect", 0, inspect, sizeof(inspect));
	save_words("serve", 1, serve, sizeof(serve));
	save_words("cmdline", 2, cmdline, sizeof(cmdline));
	save_words("config", 3, config, sizeof(config) - 1);
}

/* With a half line at the end, as an engine that was killed leaves it. */
static void traces(void)
{
	static const char text[] =
		"[\n"
		"{\"name\":\"engine\",\"cat\":\"session\",\"ph\":\"i\",\"s\":\"g\",\"pid\":0,"
		"\"tid\":0,"
		"\"ts\":81.703,\"args\":{\"version\":1,\"engine\":1,\"page_size\":4096}},\n"
		"{\"name\":\"image\",\"cat\":\"fault\",\"ph\":\"X\",\"pid\":1,\"tid\":0,\"ts\":93."
		"120,"
		"\"dur\":15.871,\"args\":{\"addr\":\"0x7f0b1a4c3000\",\"pages\":1}},\n"
		"{\"name\":\"fork\",\"cat\":\"fork\",\"ph\":\"i\",\"s\":\"p\",\"pid\":1,\"tid\":0,"
		"\"ts\":99.000,\"args\":{\"child\":2}},\n"
		"{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":2,\"tid\":0,\"args\":{\"name\":"
		"\"a\","
		"\"comm\":\"a\",\"image\":10,\"vpid\":11,\"pid\":12}},\n"
		"{\"name\":\"end\",\"cat\":\"end\",\"ph\":\"i\",\"s\":\"p\",\"pid\":1,\"tid\":0,"
		"\"ts\":120.5,\"args\":{\"demanded\":1,\"drained\":2,\"dropped\":0}},\n"
		"{\"name\":\"dropped\",\"cat\":\"session\",\"ph\":\"C\",\"pid\":0,\"tid\":0,"
		"\"ts\":121.0,\"args\":{\"events\":3}},\n{\"na";

	save("trace", "cut", text, sizeof(text) - 1);
}

static void requests(void)
{
	char name[16], line[FI_REQUEST_MAX];

	for (int c = FI_COMMAND_STATUS; c <= FI_COMMAND_CONTAINER; c++) {
		const struct fi_request request = { (enum fi_command)c, 1 << 20, "web-1" };

		(void)snprintf(name, sizeof(name), "%d", c);
		save("request", name, line, fi_request_format(&request, line) - 1);
	}
}

static void settings(void)
{
	static const char system[] = "1# all of them\nmode = auto\nminimum-size = 64M\n"
				     "eager = heap, 7f0000000000-7f0000001000\n"
				     "drain = background\ndrain-rate = 10M\nthreads = 2\n"
				     "log-level = info\nlog-file = faultin.log\ntrace = yes\n";
	static const char image[] = "0\n drain\t=demand # no more\r\neager = none\nmode = off";

	save("settings", "system", system, sizeof(system) - 1);
	save("settings", "image", image, sizeof(image) - 1);
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 2)
		errx(2, "usage: seeds DIR [IMAGE-DIR]...");
	out = argv[1];
	images();
	for (i = 2; i < argc; i++)
		named_image(argv[i]);
	lazysock();
	procevents();
	proc();
	options();
	requests();
	traces();
	settings();
	return 0;
}
