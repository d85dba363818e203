/* restore/look.c - see look.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sessions tell what they have counted; rates are the difference of two looks at them.
 */
#include "config.h"

#include "restore/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "images/inspect/json.h"
#include "images/pagemap.h"
#include "restore/client.h"
#include "restore/complain.h"
#include "restore/sessions.h"

/* --- asking ------------------------------------------------------------------------------------ */

/* Takes the session out of its reply. */
static void keep(struct fi_look *look, const struct fi_session_ref *ref, struct json_object *reply,
		 struct fi_json *js)
{
	struct json_object *session = fi_member(reply, "session", json_type_object);

	if (session) {
		fi_json_u64(js, session, "uid", ref->uid);
		if (json_object_array_add(look->sessions, json_object_get(session)) < 0)
			(void)json_object_put(session);
	}
	(void)json_object_put(reply);
}

/* Of a session that was not named nobody wants to know that it has ended. */
static void hear(struct fi_look *look, const struct fi_sessions *sessions, size_t i,
		 struct fi_call *call, int patience_ms)
{
	const struct fi_session_ref *ref = &sessions->at[i];
	struct fi_json js = { .failed = false };
	struct json_object *reply, *unheard;
	struct fi_error err = { "" };
	int r = fi_call_reply(call, ref->dir, patience_ms, &reply, &err);
	bool gone = r == -ESRCH || r == -ENOLINK;

	if (r == 0) {
		keep(look, ref, reply, &js);
	} else if (!gone || !sessions->all) {
		look->missing = look->missing || gone;
		unheard = fi_json_object(&js, look->unheard, NULL);
		fi_json_text(&js, unheard, "name", ref->name);
		fi_json_text(&js, unheard, "error", err.text);
	}
}

/* Every session is asked before one is heard. */
static void ask(struct fi_look *look, const struct fi_sessions *sessions, struct fi_call *calls,
		int patience_ms)
{
	const struct fi_request request = { .command = FI_COMMAND_STATUS };
	uint64_t begin = fi_now_ns();

	for (size_t i = 0; i < sessions->nr; i++)
		fi_call_send(&calls[i], sessions->at[i].dir, sessions->at[i].name, &request);
	for (size_t i = 0; i < sessions->nr; i++) {
		uint64_t ms = (fi_now_ns() - begin) / 1000000;
		int left = ms < (uint64_t)patience_ms ? patience_ms - (int)ms : 0;

		hear(look, sessions, i, &calls[i], left);
	}
}

int fi_look_take(char **words, int patience_ms, struct fi_look *ret, struct fi_error *err)
{
	fi_auto_sessions struct fi_sessions sessions = { .dirs = NULL };
	fi_auto_free struct fi_call *calls = NULL;
	struct fi_look look = { .reply = NULL };
	struct fi_json js = { .failed = false };
	int r = fi_sessions_find(words, FI_EVERYBODYS, &sessions, err);

	if (r < 0)
		return r;
	calls = calloc(sessions.nr + 1, sizeof(calls[0]));
	look.reply = json_object_new_object();
	look.unheard = json_object_new_array();
	js.failed = !calls || !look.reply || !look.unheard;
	fi_json_u64(&js, look.reply, "version", FI_CONTROL_VERSION);
	look.sessions = fi_json_array(&js, look.reply, "sessions");
	if (js.failed) {
		fi_look_done(&look);
		return fi_error_set(err, -ENOMEM, "out of memory");
	}
	ask(&look, &sessions, calls, patience_ms);
	*ret = look;
	return 0;
}

void fi_look_done(struct fi_look *look)
{
	(void)json_object_put(look->reply);
	(void)json_object_put(look->unheard);
	*look = (struct fi_look){ .reply = NULL };
}

/* --- rates ------------------------------------------------------------------------------------- */

/* The same session; another user's may be called the same. */
static struct json_object *find(const struct fi_look *look, const struct json_object *session)
{
	const char *name = fi_member_text(session, "name");
	uint64_t uid = fi_member_u64(session, "uid");

	for (size_t i = 0; look->sessions && i < json_object_array_length(look->sessions); i++) {
		struct json_object *other = json_object_array_get_idx(look->sessions, i);

		if (strcmp(fi_member_text(other, "name"), name) == 0 &&
		    fi_member_u64(other, "uid") == uid)
			return other;
	}
	return NULL;
}

/* By how much a counter has grown; what dead engines had counted is missing afterwards. */
static double growth(const struct json_object *now, const struct json_object *before,
		     const char *key)
{
	uint64_t a = fi_member_u64(now, key), b = fi_member_u64(before, key);

	return a > b ? (double)(a - b) : 0;
}

static void add_rates(struct json_object *now, const struct json_object *before, struct fi_json *js)
{
	const struct json_object *pages = fi_member(now, "pages", json_type_object);
	const struct json_object *earlier = fi_member(before, "pages", json_type_object);
	double seconds = growth(now, before, "now_us") / 1e6, given, left_ms;
	struct json_object *rates;

	if (seconds <= 0 || fi_member_u64(now, "engines") != fi_member_u64(before, "engines"))
		return;
	given = growth(pages, earlier, "drained") + growth(pages, earlier, "demanded");
	rates = fi_json_object(js, now, "rates");
	fi_json_u64(js, rates, "faults_per_s", (uint64_t)(growth(now, before, "faults") / seconds));
	fi_json_u64(js, rates, "bytes_per_s", (uint64_t)(given * FI_PAGE_SIZE / seconds));
	left_ms = (double)fi_member_u64(pages, "owed") / given * seconds * 1000;
	if (given > 0)
		fi_json_u64(js, rates, "left_ms", (uint64_t)left_ms);
}

void fi_look_compare(struct fi_look *now, const struct fi_look *before)
{
	struct fi_json js = { .failed = false };

	for (size_t i = 0; i < json_object_array_length(now->sessions); i++) {
		struct json_object *session = json_object_array_get_idx(now->sessions, i);
		const struct json_object *earlier = find(before, session);

		if (earlier)
			add_rates(session, earlier, &js);
	}
}

int fi_look_code(const struct fi_look *look)
{
	if (look->missing)
		return FI_NO_SUCH_SESSION;
	return json_object_array_length(look->unheard) > 0 ? 1 : 0;
}

void fi_look_complain(const struct fi_look *look, const char *verb)
{
	for (size_t i = 0; i < json_object_array_length(look->unheard); i++) {
		const struct json_object *one = json_object_array_get_idx(look->unheard, i);

		fi_complain(verb, fi_member_text(one, "name"), fi_member_text(one, "error"));
	}
}

int fi_look_parse_pause(const char *word, int *ret_ms)
{
	char *end;
	double seconds = strtod(word, &end);

	if (end == word || *end || !(seconds >= 0.1 && seconds <= 86400))
		return -EINVAL;
	*ret_ms = (int)(seconds * 1000);
	return 0;
}
