/* restore/effective.c - see effective.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Its text is a faultin.conf again.
 */
#include "config.h"

#include "restore/effective.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "images/inspect/json.h"
#include "images/inspect/text.h"
#include "restore/annotations.h"
#include "restore/complain.h"
#include "restore/options.h"

static const char usage[] =
	"Usage: faultin config [OPTION]... [FILE]\n"
	"Show the settings that hold, and where each comes from: those of " FI_SYSTEM_SETTINGS "\n"
	"or of FILE, of a checkpoint, and of a container.\n"
	"\n"
	"  -D, --images-dir DIR   the checkpoint, which may have a faultin.conf\n"
	"      --bundle DIR       the container's bundle: annotations org.faultin.KEY in its\n"
	"                         config.json\n"
	"      --only ORIGIN      show only what comes from there: system, image or container\n"
	"      --check            say only what is wrong\n"
	"      --json             a JSON object in place of text\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"Exit code: 0, 1 when something is wrong, 2 for wrong options.\n";

static const struct option long_options[] = {
	{ "images-dir", required_argument, NULL, 'D' },
	{ "bundle", required_argument, NULL, 'b' },
	{ "only", required_argument, NULL, 'o' },
	{ "check", no_argument, NULL, 'c' },
	{ "json", no_argument, NULL, 'j' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct fi_verb verb = { "config", usage, ":D:Vh", long_options };

struct effective_options {
	const char *images_dir, *bundle, *file; /* NULL: not named */
	enum fi_origin only;			/* BUILT_IN: from anywhere */
	bool check, json;
};

/* What is being found out. */
struct findings {
	struct fi_settings settings;
	const char *names[FI_ORIGIN_CONTAINER + 1]; /* the files, for people */
	const char *reading;			    /* the one that is being read */
	bool silent;				    /* says nothing on standard error */
	struct fi_json js;
	struct json_object *errors;
	size_t nr_errors;
};

/* --- finding ------------------------------------------------------------------------------------- */

static void complain(void *arg, unsigned line, const char *words)
{
	struct findings *found = arg;
	struct json_object *error = fi_json_object(&found->js, found->errors, NULL);

	found->nr_errors++;
	fi_json_text(&found->js, error, "file", found->reading);
	fi_json_u64(&found->js, error, "line", line);
	fi_json_text(&found->js, error, "text", words);
	if (found->silent)
		return;
	fi_text_put(found->reading, stderr);
	if (line)
		(void)fprintf(stderr, ":%u", line);
	(void)fputs(": ", stderr);
	fi_text_put(words, stderr);
	(void)fputc('\n', stderr);
}

/* What is wrong as a whole; what is wrong in a line was heard of. */
static void conclude(struct findings *found, size_t nr_before, int r, const struct fi_error *err)
{
	if (r < 0 && found->nr_errors == nr_before)
		complain(found, 0, err->text);
}

static void read_system(struct findings *found, const struct effective_options *options)
{
	const char *path = options->file ? options->file : fi_settings_system(FI_SYSTEM_SETTINGS);
	size_t nr = found->nr_errors;
	struct fi_error err = { "" };
	int r;

	found->reading = found->names[FI_ORIGIN_SYSTEM] = path;
	r = fi_settings_read(&found->settings, FI_ORIGIN_SYSTEM, AT_FDCWD, path, complain, found,
			     &err);
	if (r == 0 && options->file)
		r = fi_error_set(&err, -ENOENT, "there is no such file");
	conclude(found, nr, r, &err);
}

static void read_image(struct findings *found, const char *dir)
{
	fi_auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t nr = found->nr_errors;
	struct fi_error err = { "" };
	int r;

	found->reading = dir;
	if (fd < 0) {
		r = fi_error_set(&err, -errno, "%s", strerror(errno));
	} else {
		found->reading = found->names[FI_ORIGIN_IMAGE];
		r = fi_settings_read(&found->settings, FI_ORIGIN_IMAGE, fd, FI_SETTINGS_NAME,
				     complain, found, &err);
	}
	conclude(found, nr, r, &err);
}

static void read_bundle(struct findings *found, const char *dir)
{
	size_t nr = found->nr_errors;
	struct fi_error err = { "" };
	int r;

	found->reading = found->names[FI_ORIGIN_CONTAINER];
	r = fi_annotations_read(&found->settings, dir, complain, found, &err);
	conclude(found, nr, r, &err);
}

/* --- showing ------------------------------------------------------------------------------------- */

static const char *const origins[] = {
	[FI_ORIGIN_BUILT_IN] = "built in",
	[FI_ORIGIN_SYSTEM] = "system",
	[FI_ORIGIN_IMAGE] = "image",
	[FI_ORIGIN_CONTAINER] = "container",
};

static void show_text(const struct findings *found, enum fi_origin only)
{
	char value[FI_SETTINGS_VALUE_MAX];

	for (unsigned i = 0; i < FI_KEY_NR; i++) {
		const enum fi_origin origin = found->settings.from[i].origin;
		const unsigned line = found->settings.from[i].line;

		if (only != FI_ORIGIN_BUILT_IN && origin != only)
			continue;
		fi_settings_format(&found->settings, (enum fi_key)i, value);
		(void)printf("%-12s = ", fi_settings_key((enum fi_key)i));
		fi_text_put(value, stdout);
		(void)printf("%*s # ", (int)(strlen(value) < 16 ? 16 - strlen(value) : 0), "");
		fi_text_put(origin == FI_ORIGIN_BUILT_IN ? origins[origin] : found->names[origin],
			    stdout);
		if (line)
			(void)printf(":%u", line);
		(void)putchar('\n');
	}
}

static void add_setting(struct findings *found, struct json_object *to, enum fi_key key)
{
	struct json_object *json = fi_json_object(&found->js, to, fi_settings_key(key));
	const enum fi_origin origin = found->settings.from[key].origin;
	char value[FI_SETTINGS_VALUE_MAX];

	fi_settings_format(&found->settings, key, value);
	fi_json_text(&found->js, json, "value", value);
	fi_json_text(&found->js, json, "origin", origins[origin]);
	if (origin != FI_ORIGIN_BUILT_IN)
		fi_json_text(&found->js, json, "file", found->names[origin]);
	if (found->settings.from[key].line)
		fi_json_u64(&found->js, json, "line", found->settings.from[key].line);
}

static int show_json(struct findings *found, enum fi_origin only)
{
	struct json_object *root = json_object_new_object(), *settings;

	found->js.failed |= !root;
	fi_json_u64(&found->js, root, "version", 1);
	settings = fi_json_object(&found->js, root, "settings");
	for (unsigned i = 0; i < FI_KEY_NR; i++)
		if (only == FI_ORIGIN_BUILT_IN || found->settings.from[i].origin == only)
			add_setting(found, settings, (enum fi_key)i);
	if (!found->js.failed && json_object_object_add(root, "errors", found->errors) == 0)
		(void)json_object_get(found->errors);
	else
		found->js.failed = true;
	if (!found->js.failed)
		(void)puts(json_object_to_json_string_ext(
			root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	(void)json_object_put(root);
	return found->js.failed ? -ENOMEM : 0;
}

/* Returns the exit code. */
static int run(const struct effective_options *options)
{
	struct findings found = { .silent = options->json, .errors = json_object_new_array() };
	char image[4096] = FI_SETTINGS_NAME, bundle[4096] = FI_BUNDLE_CONFIG;
	int r = 0;

	if (options->images_dir)
		(void)snprintf(image, sizeof(image), "%s/" FI_SETTINGS_NAME, options->images_dir);
	if (options->bundle)
		(void)snprintf(bundle, sizeof(bundle), "%s/" FI_BUNDLE_CONFIG, options->bundle);
	found.names[FI_ORIGIN_IMAGE] = image;
	found.names[FI_ORIGIN_CONTAINER] = bundle;
	found.js.failed = !found.errors;

	fi_settings_init(&found.settings);
	read_system(&found, options);
	if (options->images_dir)
		read_image(&found, options->images_dir);
	if (options->bundle)
		read_bundle(&found, options->bundle);

	if (options->json)
		r = show_json(&found, options->only);
	else if (!options->check)
		show_text(&found, options->only);
	(void)json_object_put(found.errors);
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = -EIO;
	if (r < 0)
		(void)fprintf(stderr, "faultin config: %s\n", strerror(-r));
	return r < 0 || found.nr_errors > 0;
}

/* --- words --------------------------------------------------------------------------------------- */

static bool find_origin(const char *word, enum fi_origin *ret)
{
	for (unsigned i = FI_ORIGIN_SYSTEM; i <= FI_ORIGIN_CONTAINER; i++) {
		if (strcmp(origins[i], word) == 0) {
			*ret = (enum fi_origin)i;
			return true;
		}
	}
	return false;
}

int fi_effective_main(int argc, char **argv)
{
	struct effective_options options = { .check = false };
	struct fi_error err = { "" };
	int c, code, r = 0;

	while ((c = fi_option_next(&verb, argc, argv, &code)) > 0) {
		switch (c) {
		case 'D':
			options.images_dir = optarg;
			break;
		case 'b':
			options.bundle = optarg;
			break;
		case 'o':
			if (!find_origin(optarg, &options.only))
				r = fi_error_set(
					&err, -EINVAL,
					"--only wants system, image or container, not '%s'",
					optarg);
			break;
		case 'c':
			options.check = true;
			break;
		case 'j':
			options.json = true;
			break;
		}
	}
	if (c < 0)
		return code;
	if (r == 0 && argc - optind > 1)
		r = fi_error_set(&err, -EINVAL, "unexpected '%s'", argv[optind + 1]);
	if (r < 0)
		return fi_complain_misuse(verb.name, err.text);
	options.file = argv[optind]; /* or the NULL at the end */
	return run(&options);
}
