/* restore/tree.c - see tree.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "restore/client.h"
#include "restore/kin.h"
#include "restore/sessions.h"
#include "restore/smaps.h"

#define MS UINT64_C(1000000) /* in nanoseconds */

/* Between two looks, and between two questions to sessions. */
#define LOOK_MS 20
#define ASK_MS	500

/* So long a session may take to learn of a child, and to have ended when all is there. */
#define GRACE_MS 1000

struct tree {
	struct fi_pids all;	/* the tree as it was at the last look */
	struct fi_pids watched; /* those of it that a userfaultfd answers for */

	/* Of the sessions that serve those, at the last question: */
	size_t nr_serving;
	uint64_t nr_owed;
	fi_session_name silent; /* one that does not answer; empty: all do */

	uint64_t asked, told, moved, served; /* ns: when last.  moved: something had come in */
};

/* --- processes --------------------------------------------------------------------------------- */

/* Parents before children: who was born to one that owes nothing by then owes nothing. */
static int look(struct tree *tree, pid_t root, struct fi_error *err)
{
	int r;

	tree->all.nr = tree->watched.nr = 0;
	r = fi_pids_add(&tree->all, root);
	for (size_t i = 0; r == 0 && i < tree->all.nr; i++) {
		pid_t pid = tree->all.at[i];

		r = fi_smaps_watched(pid);
		if (r < 0)
			return fi_error_set(err, r, "process %d: cannot see its memory: %s",
					    (int)pid, strerror(-r));
		r = r > 0 ? fi_pids_add(&tree->watched, pid) : 0;
		if (r == 0)
			r = fi_pids_add_children(&tree->all, pid);
	}
	return r < 0 ? fi_error_set(err, r, "out of memory") : 0;
}

/* --- sessions ---------------------------------------------------------------------------------- */

enum serves { NO, PERHAPS, YES };

/* PERHAPS: there are spaces of which it cannot say whose they are. */
static enum serves serves(const struct tree *tree, const struct json_object *session)
{
	const struct json_object *spaces = fi_member(session, "spaces", json_type_array);
	size_t nr = spaces ? json_object_array_length(spaces) : 0;
	enum serves answer = fi_member_u64(session, "live") > nr ? PERHAPS : NO;

	for (size_t i = 0; i < nr; i++) {
		uint64_t pid = fi_member_u64(json_object_array_get_idx(spaces, i), "pid");

		if (pid && fi_pids_has(&tree->watched, (int64_t)pid))
			return YES;
		if (!pid)
			answer = PERHAPS;
	}
	return answer;
}

/* The answer is the session's end, which nobody here waits for. */
static void have_completed(const struct fi_session_ref *ref)
{
	const struct fi_request request = { .command = FI_COMMAND_COMPLETE };
	struct fi_call call;

	fi_call_send(&call, ref->dir, ref->name, &request);
	fi_close(&call.fd);
}

static void count(struct tree *tree, const struct fi_session_ref *ref,
		  const struct json_object *session)
{
	const struct json_object *pages = fi_member(session, "pages", json_type_object);
	const struct json_object *drain = fi_member(session, "drain", json_type_object);
	const struct json_object *full = fi_member(drain, "full", json_type_boolean);

	tree->nr_serving++;
	tree->nr_owed += fi_member_u64(pages, "owed");
	if (!json_object_get_boolean(full))
		have_completed(ref);
}

/* What every session says of itself: replies[i], NULL: nothing. */
static void ask_all(struct tree *tree, const struct fi_sessions *sessions,
		    struct json_object **replies)
{
	const struct fi_request request = { .command = FI_COMMAND_STATUS };

	tree->silent[0] = '\0';
	for (size_t i = 0; i < sessions->nr; i++) {
		struct fi_error err = { "" };
		const struct fi_session_ref *ref = &sessions->at[i];
		int r = fi_ask(ref->dir, ref->name, &request, &replies[i], &err);

		if (r < 0 && r != -ESRCH && r != -ENOLINK)
			memcpy(tree->silent, ref->name, sizeof(tree->silent));
	}
}

static int ask_sessions(struct tree *tree, struct fi_error *err)
{
	fi_auto_sessions struct fi_sessions sessions = { .dirs = NULL };
	char *none[] = { NULL };
	struct json_object **replies;
	int r = fi_sessions_find(none, FI_EVERYBODYS, &sessions, err);

	if (r < 0)
		return r;
	replies = calloc(sessions.nr + 1, sizeof(struct json_object *));
	if (!replies)
		return fi_error_set(err, -ENOMEM, "out of memory");
	ask_all(tree, &sessions, replies);
	tree->nr_serving = 0;
	tree->nr_owed = 0;
	/* Those that may serve one of the processes are asked when none says that it does. */
	for (enum serves wanted = YES; wanted > NO && tree->nr_serving == 0; wanted--)
		for (size_t i = 0; i < sessions.nr; i++) {
			const struct json_object *session =
				fi_member(replies[i], "session", json_type_object);

			if (session && serves(tree, session) == wanted)
				count(tree, &sessions.at[i], session);
		}
	for (size_t i = 0; i < sessions.nr; i++)
		(void)json_object_put(replies[i]);
	free(replies);
	return 0;
}

/* --- until it is done -------------------------------------------------------------------------- */

static int give_up(const struct tree *tree, int r, struct fi_error *err)
{
	int pid = (int)tree->watched.at[0];

	if (r == -ETIMEDOUT)
		return fi_error_set(err, r,
				    "process %d: its session still owes %" PRIu64
				    " pages, and none has come in for %d s",
				    pid, tree->nr_owed, FI_TREE_PATIENCE_MS / 1000);
	if (tree->silent[0])
		return fi_error_set(err, r,
				    "process %d still waits for memory, and session %s does not "
				    "answer",
				    pid, tree->silent);
	return fi_error_set(err, r,
			    "process %d has memory that a userfaultfd answers for, and no session "
			    "that can be reached serves it",
			    pid);
}

/* One question, and what follows from the answers. */
static int ask(struct tree *tree, struct fi_error *err)
{
	uint64_t owed = tree->nr_owed, now;
	size_t serving = tree->nr_serving;
	int r = ask_sessions(tree, err);

	if (r < 0)
		return r;
	now = fi_now_ns();
	if (tree->nr_serving > 0)
		tree->served = now;
	if (tree->nr_owed != owed || tree->nr_serving != serving)
		tree->moved = now;
	tree->asked = now;
	if (now - tree->served > GRACE_MS * MS)
		return give_up(tree, -ESRCH, err);
	if (now - tree->moved > FI_TREE_PATIENCE_MS * MS)
		return give_up(tree, -ETIMEDOUT, err);
	return 0;
}

static void nap(uint64_t ns)
{
	const struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000),
				     .tv_nsec = (long)(ns % 1000000000) };

	(void)nanosleep(&ts, NULL);
}

static int complete(struct tree *tree, pid_t root, void (*tell)(uint64_t nr_owed),
		    struct fi_error *err)
{
	tree->moved = tree->served = tree->told = fi_now_ns();
	for (;;) {
		uint64_t start = fi_now_ns(), now;
		int r = look(tree, root, err);

		if (r < 0 || tree->watched.nr == 0)
			return r;
		now = fi_now_ns();
		if (tree->asked == 0 || now - tree->asked > ASK_MS * MS)
			r = ask(tree, err);
		if (r < 0)
			return r;
		if (tell && now - tree->told > FI_TREE_TELL_MS * MS) {
			tell(tree->nr_owed);
			tree->told = now;
		}
		/* To look costs the tree's memory maps a lock: not more than half of the time. */
		nap(fi_now_ns() - start + LOOK_MS * MS);
	}
}

int fi_tree_complete(pid_t root, void (*tell)(uint64_t nr_owed), struct fi_error *err)
{
	struct tree tree = { .nr_serving = 0 };
	int r = complete(&tree, root, tell, err);

	free(tree.all.at);
	free(tree.watched.at);
	return r;
}
