/* restore/trace_writer.c - see trace_writer.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Chrome trace has processes with threads.  Here a process is an address space, by its id, since that
 * is known at once and for ever, and pids are not; its name says them when they are known.  Process 0 is
 * the session.
 */
#include "config.h"

#include "restore/trace_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "images/inspect/json.h"
#include "restore/ledger.h"
#include "restore/workers.h"

#define FORMAT_VERSION 1

/* Between two looks at the rings; and every so many looks, one at the engine. */
#define LOOK_NS	    20000000
#define SAMPLE_LOOK 5

/* Spaces that are sampled at once: others are in the trace by their faults, forks and ends. */
#define MAX_SAMPLED 256

/* What was said of spaces, by id modulo this: what is overwritten is said again. */
#define NR_SAID 1024

#define BUFFER_SIZE (64 * 1024)
#define EVENT_MAX   1024 /* bytes of one event at most */

struct said {
	unsigned id;
	uint32_t vpid;
	pid_t pid;
	uint64_t nr_owed, demanded, drained;
	bool named;
};

struct fi_trace_writer {
	struct fi_trace *trace;
	struct fi_engine *engine;
	const struct fi_image *image;
	int fd; /* kept */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool stopping; /* under lock */

	/* The thread's own: */
	bool failed;			 /* nothing can be written any more */
	struct fi_trace_written written; /* with what is in the buffer */
	size_t used;
	uint64_t dropped;
	struct said all, said[NR_SAID];
	struct fi_space_status sampled[MAX_SAMPLED];
	char buffer[BUFFER_SIZE];
};

/* --- the file ------------------------------------------------------------------------------ */

static void give_up(struct fi_trace_writer *writer, const char *doing)
{
	fi_log(FI_LOG_WARN, "the trace ends here: %s: %s", doing, strerror(errno));
	writer->failed = true;
	/* No half event at the end. */
	if (ftruncate(writer->fd, (off_t)fi_trace_what_is_written(writer->trace)->size) < 0)
		fi_log(FI_LOG_WARN, "the end of the trace is broken: %s", strerror(errno));
}

/* Writes the buffer, then says so: in between, a new engine would write it once more, over itself. */
static void flush(struct fi_trace_writer *writer)
{
	size_t done = 0;

	while (!writer->failed && done < writer->used) {
		ssize_t n = write(writer->fd, writer->buffer + done, writer->used - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			give_up(writer, "cannot write");
	}
	if (!writer->failed)
		writer->written.size += writer->used;
	writer->used = 0;
	/* A trace that cannot be written goes on being taken, so that its rings are not looked into
	 * again and again. */
	fi_trace_show_written(writer->trace, &writer->written);
}

/* The buffer has room for it. */
static void put_text(struct fi_trace_writer *writer, const char *text)
{
	size_t len = strlen(text);

	memcpy(writer->buffer + writer->used, text, len);
	writer->used += len;
}

/* One event, complete.  The comma before it belongs to it, so that the file can end behind any. */
static void put(struct fi_trace_writer *writer, const char *fmt, ...) fi_printf(2, 3);
static void put(struct fi_trace_writer *writer, const char *fmt, ...)
{
	va_list args;
	size_t before;
	int n;

	if (writer->used + EVENT_MAX + 2 > BUFFER_SIZE)
		flush(writer);
	before = writer->used;
	if (writer->written.size + writer->used > 2)
		put_text(writer, ",\n");
	va_start(args, fmt);
	n = vsnprintf(writer->buffer + writer->used, EVENT_MAX, fmt, args);
	va_end(args);
	writer->used = n > 0 && n < EVENT_MAX ? writer->used + (size_t)n : before;
}

/* Chrome counts in microseconds. */
#define US	 "%" PRIu64 ".%03u"
#define AS_US(t) (t) / 1000, (unsigned)((t) % 1000)

/* --- events -------------------------------------------------------------------------------- */

static void put_instant(struct fi_trace_writer *writer, const char *name, uint64_t at)
{
	put(writer,
	    "{\"name\":\"%s\",\"cat\":\"session\",\"ph\":\"i\",\"s\":\"g\",\"pid\":0,\"tid\":0,"
	    "\"ts\":" US "}",
	    name, AS_US(at));
}

/* The first engine's, or a later one's, first words. */
static void put_engine(struct fi_trace_writer *writer)
{
	uint32_t lives = fi_ledger()->keeper.lives;

	if (writer->written.size <= 2) {
		put(writer, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":0,\"tid\":0,"
			    "\"args\":{\"name\":\"session\"}}");
		/* Else viewers put it last, as it has no faults. */
		put(writer, "{\"name\":\"process_sort_index\",\"ph\":\"M\",\"pid\":0,\"tid\":0,"
			    "\"args\":{\"sort_index\":-1}}");
	}
	put(writer,
	    "{\"name\":\"engine\",\"cat\":\"session\",\"ph\":\"i\",\"s\":\"g\",\"pid\":0,"
	    "\"tid\":0,\"ts\":" US ",\"args\":{\"version\":%d,\"engine\":%" PRIu32
	    ",\"page_size\":%u}}",
	    AS_US(fi_now_ns()), FORMAT_VERSION, lives, (unsigned)FI_PAGE_SIZE);
}

/* Who a space is.  Names out of an image may be anything: JSON's rules are the library's business. */
static void put_name(struct fi_trace_writer *writer, unsigned id, uint32_t image, uint32_t vpid,
		     pid_t pid)
{
	const struct fi_task_image *task = fi_image_find_task(writer->image, image);
	struct json_object *args = json_object_new_object();
	struct fi_json js = { .failed = !args };
	const char *text;
	char name[80];

	if (pid)
		(void)snprintf(name, sizeof(name), "%s vpid %" PRIu32 " pid %d",
			       task ? task->comm : "", vpid, (int)pid);
	else
		(void)snprintf(name, sizeof(name), "%s pid ?", task ? task->comm : "");
	fi_json_text(&js, args, "name", name);
	fi_json_text(&js, args, "comm", task ? task->comm : "");
	fi_json_u64(&js, args, "image", image);
	fi_json_u64(&js, args, "vpid", vpid);
	fi_json_i64(&js, args, "pid", pid);
	text = js.failed ? NULL : json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN);
	if (text)
		put(writer,
		    "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%u,\"tid\":0,\"args\":%s}", id,
		    text);
	put(writer,
	    "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%u,\"tid\":0,"
	    "\"args\":{\"name\":\"faults\"}}",
	    id);
	(void)json_object_put(args);
}

static const char *fault_name(const struct fi_trace_writer *writer,
			      const struct fi_trace_record *record)
{
	static const char *const names[] = {
		[FI_TRACE_DATA] = "image",	  [FI_TRACE_ZERO] = "zero",
		[FI_TRACE_POISON] = "poison",	  [FI_TRACE_PRESENT] = "present",
		[FI_TRACE_UNMAPPED] = "unmapped", [FI_TRACE_PARKED] = "parked",
		[FI_TRACE_OVER] = "over",
	};

	if (record->answer == FI_TRACE_DATA &&
	    record->file < fi_image_nr_pages_files(writer->image) &&
	    strncmp(fi_image_pages_file(writer->image, record->file)->name, "parent/", 7) == 0)
		return "parent";
	return names[record->answer];
}

static void put_record(struct fi_trace_writer *writer, const struct fi_trace_record *record)
{
	switch (record->kind) {
	case FI_TRACE_FAULT:
		put(writer,
		    "{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":%" PRIu32
		    ",\"tid\":0,\"ts\":" US ",\"dur\":" US ",\"args\":{\"addr\":\"0x%" PRIx64
		    "\",\"pages\":%" PRIu32 "}}",
		    fault_name(writer, record), record->again ? "again" : "fault", record->space,
		    AS_US(record->at), AS_US(record->fault.took), record->fault.addr,
		    record->fault.nr_pages);
		break;
	case FI_TRACE_FORK:
		put(writer,
		    "{\"name\":\"fork\",\"cat\":\"fork\",\"ph\":\"i\",\"s\":\"p\",\"pid\":%" PRIu32
		    ",\"tid\":0,\"ts\":" US ",\"args\":{\"child\":%" PRIu32 "}}",
		    record->space, AS_US(record->at), record->fork.child);
		break;
	default:
		put_name(writer, record->space, record->image, record->vpid, record->pid);
		put(writer,
		    "{\"name\":\"end\",\"cat\":\"end\",\"ph\":\"i\",\"s\":\"p\",\"pid\":%" PRIu32
		    ",\"tid\":0,\"ts\":" US ",\"args\":{\"demanded\":%" PRIu64
		    ",\"drained\":%" PRIu64 ",\"dropped\":%" PRIu64 "}}",
		    record->space, AS_US(record->at), record->end.demanded, record->end.drained,
		    record->end.dropped);
		break;
	}
}

/* --- looking ------------------------------------------------------------------------------- */

static void take_ring(struct fi_trace_writer *writer, unsigned i)
{
	struct fi_trace_ring *ring = &writer->trace->rings[i];
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	while (writer->written.taken[i] < head) {
		put_record(writer, &ring->records[writer->written.taken[i] % FI_TRACE_ROOM]);
		writer->written.taken[i]++;
	}
}

/* Cumulative, over all engines. */
static void look_for_dropped(struct fi_trace_writer *writer)
{
	uint64_t dropped = 0;

	for (unsigned i = 0; i < FI_TRACE_RINGS; i++)
		dropped += writer->trace->rings[i].dropped;
	if (dropped == writer->dropped)
		return;
	writer->dropped = dropped;
	put(writer,
	    "{\"name\":\"dropped\",\"cat\":\"session\",\"ph\":\"C\",\"pid\":0,\"tid\":0,"
	    "\"ts\":" US ",\"args\":{\"events\":%" PRIu64 "}}",
	    AS_US(fi_now_ns()), dropped);
}

static void look_at_rings(struct fi_trace_writer *writer)
{
	for (unsigned i = 0; i < FI_TRACE_RINGS; i++)
		take_ring(writer, i);
	look_for_dropped(writer);
	flush(writer);
}

static void put_counters(struct fi_trace_writer *writer, struct said *said, uint64_t now,
			 uint64_t nr_owed, const struct fi_counters *count)
{
	if (said->nr_owed == nr_owed && said->demanded == count->demanded &&
	    said->drained == count->drained)
		return;
	said->nr_owed = nr_owed;
	said->demanded = count->demanded;
	said->drained = count->drained;
	put(writer,
	    "{\"name\":\"pages\",\"cat\":\"pages\",\"ph\":\"C\",\"pid\":%u,\"tid\":0,\"ts\":" US
	    ",\"args\":{\"owed\":%" PRIu64 ",\"demanded\":%" PRIu64 ",\"drained\":%" PRIu64 "}}",
	    said->id, AS_US(now), nr_owed, said->demanded, said->drained);
}

static void sample_space(struct fi_trace_writer *writer, const struct fi_space_status *space,
			 uint64_t now)
{
	struct said *said = &writer->said[space->id % NR_SAID];

	if (said->id != space->id)
		*said = (struct said){ .id = space->id };
	if (space->image &&
	    (!said->named || said->vpid != space->vpid || said->pid != space->pid)) {
		said->named = true;
		said->vpid = space->vpid;
		said->pid = space->pid;
		put_name(writer, space->id, space->image, space->vpid, space->pid);
	}
	put_counters(writer, said, now, space->nr_owed, &space->count);
}

static void look_at_session(struct fi_trace_writer *writer)
{
	const struct fi_session_record *record = &fi_ledger()->session;

	if (record->connected && !writer->written.connected)
		put_instant(writer, "restore begins", record->connected);
	writer->written.connected = record->connected;
	if (record->restored && !writer->written.restored)
		put_instant(writer, "restore finished", record->restored);
	writer->written.restored = record->restored;
}

static void look_at_engine(struct fi_trace_writer *writer)
{
	struct fi_engine_totals totals;
	uint64_t now = fi_now_ns();
	size_t nr = fi_engine_spaces(writer->engine, writer->sampled, MAX_SAMPLED);

	look_at_session(writer);
	for (size_t i = 0; i < nr; i++)
		sample_space(writer, &writer->sampled[i], now);
	fi_engine_totals(writer->engine, &totals);
	put_counters(writer, &writer->all, now, totals.nr_owed, &totals.count);
	flush(writer);
}

/* --- the thread ---------------------------------------------------------------------------- */

/* Where another engine's writer was; a new file begins with its bracket. */
static void begin(struct fi_trace_writer *writer)
{
	writer->written = *fi_trace_what_is_written(writer->trace);
	fi_trace_show_written(writer->trace, &writer->written);
	if (ftruncate(writer->fd, (off_t)writer->written.size) < 0) {
		give_up(writer, "cannot cut it off");
	} else if (writer->written.size == 0) {
		put_text(writer, "[\n");
		flush(writer);
	}
	put_engine(writer);
}

static void end(struct fi_trace_writer *writer)
{
	look_at_rings(writer);
	look_at_engine(writer);
	put_text(writer, "\n]\n");
	flush(writer);
	if (writer->dropped)
		fi_log(FI_LOG_WARN, "%" PRIu64 " events are missing in the trace", writer->dropped);
}

static void *writer_thread(void *arg)
{
	struct fi_trace_writer *writer = arg;

	begin(writer);
	(void)pthread_mutex_lock(&writer->lock);
	for (unsigned look = 0; !writer->stopping; look++) {
		(void)pthread_mutex_unlock(&writer->lock);
		look_at_rings(writer);
		if (look % SAMPLE_LOOK == 0)
			look_at_engine(writer);
		(void)pthread_mutex_lock(&writer->lock);
		if (!writer->stopping)
			fi_cond_wait_ns(&writer->stop, &writer->lock, LOOK_NS);
	}
	(void)pthread_mutex_unlock(&writer->lock);
	end(writer);
	return NULL;
}

int fi_trace_writer_start(struct fi_trace *trace, struct fi_engine *engine,
			  const struct fi_image *image, struct fi_trace_writer **ret)
{
	struct fi_trace_writer *writer = calloc(1, sizeof(*writer));
	sigset_t all, before;
	int r;

	if (!writer)
		return -ENOMEM;
	writer->trace = trace;
	writer->engine = engine;
	writer->image = image;
	writer->fd = fi_kept(FI_KEPT_TRACE);
	(void)pthread_mutex_init(&writer->lock, NULL);
	fi_cond_init(&writer->stop);

	/* SIGXFSZ, too: a file that may not grow ends the trace, not the engine. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&writer->thread, NULL, writer_thread, writer);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		free(writer);
		return -r;
	}
	*ret = writer;
	return 0;
}

void fi_trace_writer_finish(struct fi_trace_writer *writer)
{
	if (!writer)
		return;
	(void)pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	(void)pthread_cond_signal(&writer->stop);
	(void)pthread_mutex_unlock(&writer->lock);
	(void)pthread_join(writer->thread, NULL);
	(void)pthread_cond_destroy(&writer->stop);
	(void)pthread_mutex_destroy(&writer->lock);
	free(writer);
}
