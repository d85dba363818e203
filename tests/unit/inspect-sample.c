/* tests/unit/inspect-sample.c - see inspect-sample.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "images/inspect/kinds.h"
#include "images/proto/core.pb-c.h"
#include "images/proto/files.pb-c.h"
#include "images/proto/inventory.pb-c.h"
#include "images/proto/mm.pb-c.h"
#include "images/proto/namespaces.pb-c.h"
#include "images/proto/records.pb-c.h"
#include "tests/unit/inspect-sample.h"

const char *const inspect_files[] = {
	"inventory.img",    "pstree.img",   "core-10.img",	   "core-110.img",
	"core-12.img",	    "mm-10.img",    "mm-12.img",	   "pagemap-10.img",
	"pagemap-12.img",   "files.img",    "fdinfo-1.img",	   "fs-10.img",
	"ids-10.img",	    "memfd.img",    "pipes-data.img",	   "mountpoints-5.img",
	"utsns-6.img",	    "netdev-7.img", "pagemap-shmem-9.img", "remap-fpath.img",
	"ghost-file-1.img", "stats-dump",
};
const size_t inspect_nr_files = FI_ARRAY_SIZE(inspect_files);

static void one_record(const struct builder *b, const char *name, uint32_t magic, const void *msg)
{
	struct builder_file file = { 0 };

	builder_magic(b, &file, magic);
	builder_record(&file, msg);
	builder_flush(b, &file, name);
}

/* A core with ids and a name, as CRIU's have. */
static void full_core(const struct builder *b, const char *name, const char *comm, bool leader)
{
	Fi__Pb__ThreadCore thread = FI__PB__THREAD_CORE__INIT;
	Fi__Pb__TaskCore tc = FI__PB__TASK_CORE__INIT;
	Fi__Pb__Creds creds = FI__PB__CREDS__INIT;
	Fi__Pb__Core core = FI__PB__CORE__INIT;

	creds.uid = 1000;
	creds.gid = 100;
	thread.creds = &creds;
	thread.comm = (char *)comm;
	tc.task_state = 1;
	tc.comm = (char *)comm;
	core.thread_core = &thread;
	core.tc = leader ? &tc : NULL;
	one_record(b, name, FI_MAGIC_CORE, &core);
}

static Fi__Pb__Ids host_ids(void)
{
	Fi__Pb__Ids ids = FI__PB__IDS__INIT;

	ids.vm_id = ids.files_id = ids.fs_id = ids.sighand_id = 1;
	ids.has_pid_ns_id = ids.has_net_ns_id = ids.has_uts_ns_id = ids.has_mnt_ns_id = true;
	ids.pid_ns_id = 1;
	ids.net_ns_id = 2;
	ids.uts_ns_id = 3;
	ids.mnt_ns_id = 4;
	return ids;
}

static void sample_inventory(const struct builder *b)
{
	Fi__Pb__Inventory inventory = FI__PB__INVENTORY__INIT;
	Fi__Pb__Ids root = host_ids(), ids = host_ids();

	inventory.img_version = b->version;
	inventory.root_ids = &root;
	inventory.run_id = (char *)"some-run";
	one_record(b, "inventory.img", 0x58313116, &inventory);
	ids.mnt_ns_id = 5;
	ids.uts_ns_id = 6;
	ids.net_ns_id = 7;
	one_record(b, "ids-10.img", FI_MAGIC_IDS, &ids);
	one_record(b, "ids-12.img", FI_MAGIC_IDS, &ids);
}

/* Files 1 and 2 are directories, 3 what 0x40000 maps, 4 a pipe, 5 to 7 sockets, 8 a memory file, 9
 * was deleted. */
static void sample_files(const struct builder *b)
{
	static uint32_t address[] = { 0x0100007f, 0, 0, 0 };
	static uint8_t name[] = { '\0', 'n', 0xff, '\n' };
	Fi__Pb__FileEntry entries[9];
	Fi__Pb__RegFile regs[4];
	Fi__Pb__Pipe pipe = FI__PB__PIPE__INIT;
	Fi__Pb__InetSk inet[2] = { FI__PB__INET_SK__INIT, FI__PB__INET_SK__INIT };
	Fi__Pb__UnixSk unix_sk = FI__PB__UNIX_SK__INIT;
	Fi__Pb__MemfdFile memfd = FI__PB__MEMFD_FILE__INIT;
	static const uint32_t types[] = { 1, 1, 1, 2, 4, 4, 5, 18, 1 };
	struct builder_file file = { 0 };
	size_t i, reg = 0;

	builder_magic(b, &file, FI_MAGIC_FILES);
	for (i = 0; i < FI_ARRAY_SIZE(entries); i++) {
		fi__pb__file_entry__init(&entries[i]);
		entries[i].id = (uint32_t)i + 1;
		entries[i].type = types[i];
		if (types[i] != 1)
			continue;
		fi__pb__reg_file__init(&regs[reg]);
		regs[reg].id = entries[i].id;
		regs[reg].name = (char *)(i == 2 ? "/lib/\033[31mred\xff" : "/");
		entries[i].reg = &regs[reg++];
	}
	pipe.id = 4;
	pipe.pipe_id = 77;
	entries[3].pipe = &pipe;
	for (i = 0; i < 2; i++) {
		inet[i].id = 5 + (uint32_t)i;
		inet[i].family = i ? AF_INET6 : AF_INET;
		inet[i].type = SOCK_STREAM;
		inet[i].state = 10;
		inet[i].src_port = 80;
		inet[i].src_addr = inet[i].dst_addr = address;
		inet[i].n_src_addr = inet[i].n_dst_addr = i ? 4 : 1;
		entries[4 + i].isk = &inet[i];
	}
	unix_sk.id = 7;
	unix_sk.type = SOCK_STREAM;
	unix_sk.state = 10;
	unix_sk.name = (ProtobufCBinaryData){ sizeof(name), name };
	entries[6].usk = &unix_sk;
	memfd.id = 8;
	memfd.inode_id = 3;
	entries[7].memfd = &memfd;
	for (i = 0; i < FI_ARRAY_SIZE(entries); i++)
		builder_record(&file, &entries[i]);
	builder_flush(b, &file, "files.img");
}

static void sample_descriptors(const struct builder *b)
{
	Fi__Pb__MemfdInode inode = FI__PB__MEMFD_INODE__INIT;
	Fi__Pb__Fdinfo info = FI__PB__FDINFO__INIT;
	Fi__Pb__PipeData data = FI__PB__PIPE_DATA__INIT;
	Fi__Pb__Remap remap = FI__PB__REMAP__INIT;
	Fi__Pb__Anything ghost = FI__PB__ANYTHING__INIT;
	Fi__Pb__Fs fs = FI__PB__FS__INIT;
	struct builder_file file = { 0 };

	builder_magic(b, &file, FI_MAGIC_FDINFO);
	info.id = 4;
	info.type = 2;
	builder_record(&file, &info);
	info.id = 7;
	info.type = 5;
	info.fd = 1;
	builder_record(&file, &info);
	builder_flush(b, &file, "fdinfo-1.img");

	fs.cwd_id = 1;
	fs.root_id = 2;
	one_record(b, "fs-10.img", FI_MAGIC_FS, &fs);
	one_record(b, "fs-12.img", FI_MAGIC_FS, &fs);

	inode.name = (char *)"some-memory";
	inode.shmid = 9;
	inode.inode_id = 3;
	one_record(b, "memfd.img", FI_MAGIC_MEMFD, &inode);

	builder_magic(b, &file, FI_MAGIC_PIPES_DATA);
	data.pipe_id = 77;
	data.bytes = 5;
	builder_record(&file, &data);
	builder_bytes(&file, "bytes", 5);
	builder_flush(b, &file, "pipes-data.img");

	remap.orig_id = 9;
	remap.remap_id = 1;
	remap.has_remap_type = true;
	remap.remap_type = 1;
	one_record(b, "remap-fpath.img", FI_MAGIC_REMAP, &remap);
	one_record(b, "ghost-file-1.img", 0x52583605, &ghost);
}

static void sample_namespaces(const struct builder *b)
{
	Fi__Pb__Mount mount = FI__PB__MOUNT__INIT;
	Fi__Pb__Netdev dev = FI__PB__NETDEV__INIT;
	Fi__Pb__Utsns uts = FI__PB__UTSNS__INIT;
	struct builder_file file = { 0 };

	builder_magic(b, &file, FI_MAGIC_MNTS);
	mount.mnt_id = 20;
	mount.parent_mnt_id = 1;
	mount.fstype = 5;
	mount.root = mount.mountpoint = mount.source = mount.options = (char *)"/";
	builder_record(&file, &mount);
	mount.mnt_id = 21;
	mount.parent_mnt_id = 20;
	mount.fsname = (char *)"special";
	builder_record(&file, &mount);
	builder_flush(b, &file, "mountpoints-5.img");

	uts.nodename = (char *)"inner";
	uts.domainname = (char *)"(none)";
	one_record(b, "utsns-6.img", FI_MAGIC_UTSNS, &uts);
	dev.name = (char *)"lo";
	dev.ifindex = 1;
	one_record(b, "netdev-7.img", FI_MAGIC_NETDEV, &dev);
}

/* The mm of task 10 anew, with the addresses of its strings. */
static void sample_mm(const struct builder *b)
{
	uint8_t *data;
	size_t len;
	Fi__Pb__Mm *mm;

	data = builder_read(b, "mm-10.img", &len);
	mm = fi__pb__mm__unpack(NULL, len - 12, data + 12);
	assert_non_null(mm);
	mm->has_arg_start = mm->has_arg_end = mm->has_env_start = mm->has_env_end = true;
	mm->arg_start = 0x10ff0;
	mm->arg_end = 0x11010;
	mm->env_start = 0x13ff0;
	mm->env_end = 0x14010;
	mm->has_exe_file_id = true;
	mm->exe_file_id = 3;
	mm->vmas[3]->shmid = 9;
	one_record(b, "mm-10.img", FI_MAGIC_MM, mm);
	fi__pb__mm__free_unpacked(mm, NULL);
	free(data);
}

static void sample_stats(const struct builder *b)
{
	Fi__Pb__DumpStats dump = FI__PB__DUMP_STATS__INIT;
	Fi__Pb__Stats stats = FI__PB__STATS__INIT;
	const uint32_t magic[] = { FI_MAGIC_SERVICE, FI_MAGIC_STATS };
	struct builder_file file = { 0 };

	stats.dump = &dump;
	dump.pages_written = 15;
	builder_bytes(&file, magic, sizeof(magic));
	builder_record(&file, &stats);
	builder_flush(b, &file, "stats-dump");
}

void inspect_sample(struct builder *b, struct builder *parent)
{
	Fi__Pb__PagemapHead head = FI__PB__PAGEMAP_HEAD__INIT;
	const Fi__Pb__PagemapEntry entry = builder_entry(0, 2, PE_PRESENT);
	struct builder_file file = { 0 };

	builder_sample(b, parent);
	sample_inventory(b);
	full_core(b, "core-10.img", "root-task", true);
	full_core(b, "core-110.img", "a-thread", false);
	sample_files(b);
	sample_descriptors(b);
	sample_namespaces(b);
	sample_mm(b);
	sample_stats(b);
	head.pages_id = 3;
	builder_magic(b, &file, 0x56084025);
	builder_record(&file, &head);
	builder_record(&file, &entry);
	builder_flush(b, &file, "pagemap-shmem-9.img");
	builder_pages(b, 3, 2, 4);
}

/* --- archives ----------------------------------------------------------------------------------- */

static void tar_file(struct archive *to, int dirfd, const char *name, const char *as)
{
	struct archive_entry *entry = archive_entry_new();
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *data;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &st), errno);
	data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	archive_entry_set_pathname(entry, as);
	archive_entry_set_size(entry, st.st_size);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	assert_int_equal(archive_write_header(to, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(to, data, (size_t)st.st_size), st.st_size);
	archive_entry_free(entry);
	free(data);
	close(fd);
}

static void tar_directory(struct archive *to, int dirfd, const char *prefix)
{
	DIR *dir = fdopendir(dup(dirfd));
	struct dirent *found;
	char as[400];

	assert_non_null(dir);
	rewinddir(dir);
	while ((found = readdir(dir))) {
		if (found->d_type != DT_REG)
			continue;
		(void)snprintf(as, sizeof(as), "%s%s", prefix, found->d_name);
		tar_file(to, dirfd, found->d_name, as);
	}
	closedir(dir);
}

int inspect_tar(const struct builder *b, int filter)
{
	struct archive *to = archive_write_new();
	struct archive_entry *link = archive_entry_new();
	int fd = memfd_create("inspect-tar", MFD_CLOEXEC), previous;

	assert_return_code(fd, errno);
	assert_int_equal(archive_write_add_filter(to, filter), ARCHIVE_OK);
	assert_int_equal(archive_write_set_format_pax_restricted(to), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(to, fd), ARCHIVE_OK);
	tar_directory(to, b->dirfd, "./checkpoint/");
	archive_entry_set_pathname(link, "./checkpoint/parent");
	archive_entry_set_filetype(link, AE_IFLNK);
	archive_entry_set_symlink(link, "../before/");
	assert_int_equal(archive_write_header(to, link), ARCHIVE_OK);
	archive_entry_free(link);
	previous = openat(b->dirfd, "previous", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(previous, errno);
	tar_directory(to, previous, "before/");
	close(previous);
	assert_int_equal(archive_write_free(to), ARCHIVE_OK);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}
