/* restore/scrape.h - the verb `metrics`: running sessions for Prometheus and the like.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_SCRAPE_H
#define FI_RESTORE_SCRAPE_H

/* @argv[0] is "metrics".  Returns the exit code: 0, 1 when a session could not be asked or the file not
 * written, 2 for wrong options, 3 when there is no such session. */
int fi_scrape_main(int argc, char **argv);

#endif
