/* images/inspect/html.c - see html.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The page is images/inspect/page.html, as it is, with the report in its place as JSON.  Its script
 * puts what the image says into the page as text only, never as markup.
 */
#include "images/inspect/html.h"

#include <string.h>

#include "images/inspect/page.h"

#define MARK "@REPORT@"

/* "<" never stands as itself, so that no string ends the element that the report is in. */
static void put_json(const char *json, FILE *to)
{
	size_t n;

	for (; *json; json += n) {
		n = strcspn(json, "<");
		(void)fwrite(json, 1, n, to);
		if (json[n]) {
			(void)fputs("\\u003c", to);
			n++;
		}
	}
}

int fi_html_report(const struct json_object *report, FILE *to, struct fi_error *err)
{
	const char *json = json_object_to_json_string_ext((struct json_object *)report,
							  JSON_C_TO_STRING_PLAIN);
	const char *mark = strstr((const char *)fi_page_html, MARK);

	if (!json)
		return fi_error_set(err, -ENOMEM, "no memory for the page");
	(void)fwrite(fi_page_html, 1, (size_t)(mark - (const char *)fi_page_html), to);
	put_json(json, to);
	(void)fputs(mark + strlen(MARK), to);
	return ferror(to) ? fi_error_set(err, -EIO, "cannot write the page") : 0;
}
