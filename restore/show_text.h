/* restore/show_text.h - what sessions say, as text for people.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sessions and their members are as fi_status_json (status.h) has said them, and not trusted: what is
 * written @to can go to a terminal.
 */
#ifndef FI_RESTORE_SHOW_TEXT_H
#define FI_RESTORE_SHOW_TEXT_H

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>

/* One session, with "rates" where they are known. */
void fi_show_text(const struct json_object *session, FILE *to);

/* "1.1 GiB"; "912 us" up to "12 s"; at most nine characters, of what is below 10000 TiB and 27 hours. */
void fi_show_put_bytes(uint64_t bytes, FILE *to);
void fi_show_put_ns(uint64_t ns, FILE *to);

/* An id, right-aligned; 0 is not known. */
void fi_show_put_id(uint64_t number, int width, FILE *to);

/* "[##..]  50 %", with so many @cells between the brackets: eight characters more than these. */
void fi_show_put_bar(unsigned percent, unsigned cells, FILE *to);

/* Of an id of digits as much as people use. */
void fi_show_put_container(const struct json_object *session, FILE *to);

/* How much of @pages' "lazy" is not owed any more.  A forked child owes what its parent did: never more
 * than the task that they descend from. */
unsigned fi_show_percent(const struct json_object *pages);

#endif
