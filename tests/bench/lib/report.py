# tests/bench/lib/report.py - figures in tables, and in JSON for programs.
# SPDX-License-Identifier: GPL-2.0-or-later

import statistics

from .jobs import METRICS

SCHEMA = 1


def number(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def ratio(base, value):
    """How many times less value is than base."""
    if not base or not value:
        return "-"
    return f"{base / value:.2f}x" if base / value < 10 else f"{base / value:.0f}x"


class Figures:
    """All measures of a run: by job, cache, mode and metric."""

    def __init__(self):
        self.values = {}
        self.failures = []

    def add(self, job, cache, mode, measures):
        for metric, value in measures.items():
            self.values.setdefault((job, cache, mode, metric), []).append(value)

    def fail(self, job, cache, mode, kind, text):
        self.failures.append({"job": job, "cache": cache, "mode": mode, "kind": kind, "text": text})

    def failure(self, job, cache, mode):
        kinds = {f["kind"] for f in self.failures
                 if (f["job"], f["cache"], f["mode"]) == (job, cache, mode)}
        return "/".join(sorted(kinds))

    def median(self, job, cache, mode, metric):
        values = self.values.get((job, cache, mode, metric))
        return statistics.median(values) if values else None

    def spread(self, job, cache, mode, metric):
        """Largest less smallest, as a share of the median."""
        values = self.values.get((job, cache, mode, metric))
        middle = statistics.median(values) if values else 0
        return (max(values) - min(values)) / middle if middle else None


def rows(figures, job, cache, modes):
    for metric in job.shows:
        what, unit = METRICS[metric]
        cells = []
        for mode in modes:
            value = figures.median(job.name, cache, mode, metric)
            text = number(value)
            if value is None and figures.failure(job.name, cache, mode):
                text = figures.failure(job.name, cache, mode)
            cells.append(text)
        if all(cell == "-" for cell in cells):
            continue
        medians = {mode: figures.median(job.name, cache, mode, metric) for mode in modes}
        for mode in modes:
            if mode in ("serve", "plugin"):
                cells.append(ratio(medians.get("peer"), medians[mode]))
        best = medians.get("serve") or medians.get("plugin")
        cells.append(ratio(medians.get("plain"), best))
        spreads = [figures.spread(job.name, cache, mode, metric) for mode in modes]
        spreads = [spread for spread in spreads if spread is not None]
        cells.append(f"{100 * max(spreads):.0f} %" if spreads else "-")
        yield [f"{what}, {unit}"] + cells


def table(figures, jobs, modes):
    """The lines of the table for people: medians, then how many times less than the others."""
    head = [""] + list(modes)
    head += [f"{mode}/peer" for mode in modes if mode in ("serve", "plugin")]
    head += ["vs plain", "spread"]
    widths = [40] + [9] * (len(head) - 1)
    lines = []

    def line(cells):
        lines.append("".join([f"{cells[0]:<{widths[0]}}"]
                             + [f"{cell:>{max(w, len(cell) + 1)}}" for cell, w in
                                zip(cells[1:], widths[1:])]))

    line(head)
    for job in jobs:
        for cache in job.caches:
            found = list(rows(figures, job, cache, modes))
            if not found:
                continue
            lines.append(f"{job.name} ({cache}): {job.about}")
            for cells in found:
                line(["  " + cells[0]] + cells[1:])
    return lines


def as_json(figures, jobs, modes, setting):
    """See README.md for what is in it."""
    out = {"schema": SCHEMA, "setting": setting, "jobs": [], "failures": figures.failures}
    for job in jobs:
        for cache in job.caches:
            results = {}
            for mode in modes:
                measures = {}
                for metric in METRICS:
                    values = figures.values.get((job.name, cache, mode, metric))
                    if values:
                        measures[metric] = {"median": statistics.median(values),
                                            "rounds": values}
                if measures:
                    results[mode] = measures
            if results:
                out["jobs"].append({"name": job.name, "cache": cache, "about": job.about,
                                    "shows": job.shows, "results": results})
    return out
