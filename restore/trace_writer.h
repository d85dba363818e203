/* restore/trace_writer.h - the thread that makes a file of a trace.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file is a JSON array of Chrome's trace events, one a line (doc/faultin-trace.5): what the demand
 * workers put in the rings, and, ten times a second, how far the drain has come.  It ends with "]" only
 * when the session does; until then it is what that format allows to be cut off behind any event.
 */
#ifndef FI_RESTORE_TRACE_WRITER_H
#define FI_RESTORE_TRACE_WRITER_H

#include "images/image.h"
#include "restore/engine.h"

struct fi_trace_writer; /* opaque */

/* Begins, or goes on where another engine's writer was.  All three must outlive the writer.  Returns 0, or
 * a negative errno. */
int fi_trace_writer_start(struct fi_trace *trace, struct fi_engine *engine,
			  const struct fi_image *image, struct fi_trace_writer **ret);

/* The session is over: writes what there is, and the end of the array.  NULL is fine. */
void fi_trace_writer_finish(struct fi_trace_writer *writer);

#endif
