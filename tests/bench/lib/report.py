# tests/bench/lib/report.py - figures: gathered, as JSON for programs, in a table for people.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# README.md beside the runner describes the JSON. The table and the plot are made from it alone, so
# that they can be made again.

import statistics

from .jobs import METRICS
from .restores import MODES, OURS

SCHEMA = 1


class Figures:
    """All measures of a run, by job, cache, mode and metric; and what went wrong."""

    def __init__(self):
        self.values = {}
        self.failures = []

    def add(self, job, cache, mode, measures):
        for metric, value in measures.items():
            if value is not None:
                self.values.setdefault((job, cache, mode, metric), []).append(value)

    def fail(self, job, cache, mode, kind, text):
        self.failures.append({"job": job, "cache": cache, "mode": mode, "kind": kind, "text": text})

    def late(self, job, cache, mode):
        return any((f["job"], f["cache"], f["mode"], f["kind"]) == (job, cache, mode, "late")
                   for f in self.failures)

    def results(self, job, cache, mode):
        found = {}
        for metric, (_, unit) in METRICS.items():
            values = self.values.get((job, cache, mode, metric))
            if values:
                found[metric] = {"unit": unit, "median": statistics.median(values),
                                 "min": min(values), "max": max(values), "rounds": values}
        return found

    def document(self, jobs, setting, notes):
        out = []
        for job in jobs:
            for cache in job.caches:
                this = (job.name, cache)
                modes = {mode for name, of, mode, _ in self.values if (name, of) == this}
                modes |= {f["mode"] for f in self.failures if (f["job"], f["cache"]) == this}
                if modes:
                    out.append({"name": job.name, "cache": cache, "about": job.about,
                                "shows": job.shows, "headline": job.headline,
                                "results": {mode: self.results(job.name, cache, mode)
                                            for mode in sorted(modes)}})
        return {"schema": SCHEMA, "setting": setting, "jobs": out, "failures": self.failures,
                "notes": notes}


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(base, value):
    """How many times less value is than base; below 1, it is more."""
    if not base or not value:
        return "-"
    return f"{base / value:.2f}x" if base / value < 10 else f"{base / value:.0f}x"


def spread(results, metric):
    """Largest less smallest, as a share of the median, in the mode where that is most."""
    shares = [(r[metric]["max"] - r[metric]["min"]) / r[metric]["median"]
              for r in results.values() if metric in r and r[metric]["median"]
              and len(r[metric]["rounds"]) > 1]
    return f"{max(shares):.0%}" if shares else "-"


def columns(document):
    """The modes that were measured, apart from the machine's own, in their order."""
    there = {mode for job in document["jobs"] for mode in job["results"]}
    return [mode for mode in MODES if mode in there]


def cells_of(job, metric, modes, failures):
    """A row without its head; None when nothing is known."""
    results = job["results"]
    medians = {mode: results.get(mode, {}).get(metric, {}).get("median") for mode in modes}
    if not any(value is not None for value in medians.values()):
        return None
    cells = []
    for mode in modes:
        kinds = sorted({f["kind"] for f in failures if (f["job"], f["cache"], f["mode"])
                        == (job["name"], job["cache"], mode)})
        cells.append(number(medians[mode]) if medians[mode] is not None or not kinds
                     else "/".join(kinds))
    for mode in modes:
        if mode in OURS:
            cells += [ratio(medians.get(other), medians[mode]) for other in ("peer", "plain")]
    return cells + [spread(results, metric)]


def table(document):
    """The lines of the table: medians, and how many times less ours are than the others'."""
    modes = columns(document)
    head = list(modes)
    for mode in modes:
        if mode in OURS:
            head += [f"{mode}:peer", f"{mode}:plain"]
    head.append("spread")
    lines, floor = [], []

    def line(first, cells):
        lines.append(f"{first:<46}" + "".join(f"{cell:>{max(8, len(name) + 2)}}"
                                              for cell, name in zip(cells, head)))

    line("", head)
    for job in document["jobs"]:
        title = f"{job['name']}, {job['cache']}: {job['about']}"
        if "machine" in job["results"]:
            for metric, values in job["results"]["machine"].items():
                what, unit = METRICS[metric]
                floor.append(f"  {job['cache']}: {what}: {number(values['median'])} {unit}")
            continue
        lines.append(title)
        for metric in job["shows"]:
            what, unit = METRICS[metric]
            cells = cells_of(job, metric, modes, document["failures"])
            if cells:
                line(f"  {what}, {unit}", cells)
    if floor:
        lines += ["the floor, which nobody can go below:"] + floor
    lines += [f"note: {note}" for note in document["notes"]]
    lines += ["{job} {cache} {mode}: {kind}: {text}".format(**f) for f in document["failures"]]
    return lines


def title(setting):
    return ("{date}, Linux {kernel}, CRIU {criu}, faultin {faultin}, {cpus} x {cpu}, {memory_mib} "
            "MiB; others took {others:.0%} of the CPUs").format(**setting)
