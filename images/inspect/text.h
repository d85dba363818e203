/* images/inspect/text.h - a report as text for people.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an image says may be anybody's: control characters are written as \xNN, so that none reaches
 * a terminal.
 */
#ifndef FI_INSPECT_TEXT_H
#define FI_INSPECT_TEXT_H

#include <json-c/json.h>
#include <stdio.h>

/* Writes every member that @report has. */
void fi_text_report(const struct json_object *report, FILE *to);

/* One string, made harmless. */
void fi_text_put(const char *text, FILE *to);

#endif
