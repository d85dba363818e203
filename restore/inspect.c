/* restore/inspect.c - the verb `inspect`: from a command line to a report on standard output.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the report says is images/inspect/'s.
 */
#include "config.h"

#include "restore/inspect.h"

#include <stdio.h>
#include <string.h>

#include "images/inspect/memory.h"
#include "images/inspect/text.h"

static const char usage[] =
	"Usage: faultin inspect [OPTION]... DIR|ARCHIVE|-\n"
	"Show what a checkpoint holds, and what of it would be lazy.\n"
	"\n"
	"      --maps[=PID]       every mapping, and why it is lazy or not\n"
	"      --files            open files and descriptors\n"
	"      --sockets          sockets\n"
	"      --mounts           mounts\n"
	"      --namespaces       namespaces, and who is in them\n"
	"      --env              arguments and environment of the tasks\n"
	"      --dump ADDR,LEN    bytes of memory\n"
	"      --all              --maps, --files, --sockets, --mounts, --namespaces and --env\n"
	"\n"
	"  -t, --task PID         only this task\n"
	"      --prot PROT        only mappings with this protection: rw-, r?x, ...\n"
	"      --kind KIND        only mappings of this kind: heap, stack, anon, file, ...\n"
	"      --range START-END  only mappings in this range of addresses\n"
	"\n"
	"      --json             a JSON object in place of text; see faultin-inspect(1)\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"An archive is a tar, packed or not, as podman and Kubernetes make them; '-' is one on\n"
	"standard input.  Exit code: 0, 1 when the checkpoint cannot be read, 2 for wrong "
	"options.\n";

static int add_parts(const struct fi_inspect_options *o, const struct fi_checkpoint *cp,
		     struct fi_json *js, struct json_object *root, struct fi_error *err)
{
	int r;

	r = fi_report_overview(cp, &o->filter, o->maps, js, root, err);
	if (r == 0 && o->files)
		r = fi_report_files(cp, &o->filter, js, root, err);
	if (r == 0 && o->sockets)
		r = fi_report_sockets(cp, js, root, err);
	if (r == 0 && o->mounts)
		r = fi_report_mounts(cp, js, root, err);
	if (r == 0 && o->namespaces)
		r = fi_report_namespaces(cp, js, root, err);
	if (r == 0 && o->env)
		r = fi_report_environment(cp, &o->filter, js, root, err);
	if (r == 0 && o->dump_len)
		r = fi_report_dump(cp, &o->filter, o->dump_addr, o->dump_len, js, root, err);
	return r;
}

static int print(const struct fi_inspect_options *o, struct json_object *root, struct fi_error *err)
{
	if (o->json) {
		(void)fputs(json_object_to_json_string_ext(
				    root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE),
			    stdout);
		(void)fputc('\n', stdout);
	} else {
		fi_text_report(root, stdout);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		return fi_error_set(err, -errno, "cannot write to standard output");
	return 0;
}

static int inspect(const struct fi_inspect_options *o, struct fi_error *err)
{
	fi_auto_checkpoint struct fi_checkpoint cp = { .fd = -EBADF };
	struct json_object *root = json_object_new_object();
	struct fi_json js = { .failed = !root };
	int r;

	fi_json_u64(&js, root, "version", FI_REPORT_VERSION);
	r = fi_checkpoint_open(o->path, &cp, err);
	if (r == 0 && o->filter.pid && !fi_image_find_task(cp.image, o->filter.pid))
		r = fi_error_set(err, -ESRCH, "there is no task %u in it", o->filter.pid);
	if (r == 0)
		r = add_parts(o, &cp, &js, root, err);
	if (r == 0 && js.failed)
		r = fi_error_set(err, -ENOMEM, "no memory for the report");
	if (r == 0)
		r = print(o, root, err);
	(void)json_object_put(root);
	return r;
}

int fi_inspect_main(int argc, char **argv)
{
	struct fi_inspect_options options;
	struct fi_error err = { "" };
	int r;

	if (fi_inspect_parse(argc, argv, &options, &err) < 0) {
		(void)fprintf(stderr, "faultin inspect: %s\nTry 'faultin inspect --help'.\n",
			      err.text);
		return 2;
	}
	if (options.help) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (options.version) {
		(void)printf("Version: %s\n", PACKAGE_VERSION);
		return 0;
	}
	r = inspect(&options, &err);
	if (r < 0) {
		(void)fputs("faultin inspect: ", stderr);
		fi_text_put(err.text[0] ? err.text : strerror(-r), stderr);
		(void)fputc('\n', stderr);
	}
	return r < 0 ? 1 : 0;
}
