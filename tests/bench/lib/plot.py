# tests/bench/lib/plot.py - a picture of a run, by gnuplot, as SVG.
# SPDX-License-Identifier: GPL-2.0-or-later

import re
import shutil
import subprocess

from .report import columns, title

LABELS = {"plain": "criu restore", "peer": "criu lazy-pages", "serve": "faultin serve",
          "plugin": "faultin plugin", "transparent": "faultin, transparent",
          "bare": "faultin, no keepers"}
COLORS = {"plain": "#999999", "peer": "#e08a2e", "serve": "#1f6fb4", "plugin": "#7fb8e6",
          "transparent": "#4c9a5b", "bare": "#c0c0c0"}
TERMINALS = {"svg": "svg size 1200,1000 font 'sans-serif,13' background 'white'",
             "png": "pngcairo size 1200,1000 font 'sans,10'"}


def value(job, mode, metric):
    return job["results"].get(mode, {}).get(metric, {}).get("median")


def share_of(job):
    """The per cent of memory that is touched, of the jobs that make a curve."""
    share = re.fullmatch(r"touched-(\d+)", job["name"])
    return int(share[1]) if share else None


def block(name, lines):
    return [f"${name} << EOD"] + lines + ["EOD"]


def bars(document, cache, modes):
    """A line for each job: its name, and its headline in each mode ("?": none); and labels where
    a bar is missing because the mode was late, or worse."""
    lines, labels = [], []
    for job in document["jobs"]:
        if job["cache"] != cache or not job["headline"] or share_of(job):
            continue
        values = [value(job, mode, job["headline"]) for mode in modes]
        if not any(values):
            continue
        for nr, mode in enumerate(modes):
            kinds = [f["kind"] for f in document["failures"] if (f["job"], f["cache"], f["mode"])
                     == (job["name"], cache, mode)]
            if kinds and not values[nr]:
                at = len(lines) + (nr - (len(modes) - 1) / 2) / (len(modes) + 1)
                labels.append(f"set label '{kinds[0]}' at first {at:.3f}, graph 0.02 rotate")
        lines.append(" ".join([f'"{job["name"]}"'] + [f"{v:.3f}" if v else "?" for v in values]))
    return lines, labels


def curves(document, cache, modes):
    """A line for each share of memory that was touched."""
    lines = []
    for job in document["jobs"]:
        share = share_of(job)
        if share and job["cache"] == cache:
            values = [value(job, mode, "done_ms") for mode in modes]
            lines.append(" ".join([str(share)] + [f"{v:.3f}" if v else "?" for v in values]))
    return lines


def bar_plot(name, modes, key):
    first = [f"'${name}' using 2:xtic(1) title '{LABELS[modes[0]]}' linecolor rgb "
             f"'{COLORS[modes[0]]}'"]
    rest = [f"'${name}' using {at} title '{LABELS[mode]}' linecolor rgb '{COLORS[mode]}'"
            for at, mode in enumerate(modes[1:], 3)]
    return [key, "plot " + ", ".join(first + rest)]


def curve_plot(names, modes):
    plots = [f"'${name}' using 1:{at} with linespoints linewidth 2 pointtype {8 - dash} "
             f"pointsize 0.6 dashtype {dash} linecolor rgb '{COLORS[mode]}' notitle"
             for name, dash in names for at, mode in enumerate(modes, 2)]
    return ["plot " + ", ".join(plots)] if plots else []


def heading(setting):
    return ("From the start of the restore until the work is done: less is better\\n"
            + title(setting).replace('"', "'"))


def script(document, path, kind):
    modes = columns(document)
    setting = document["setting"]
    (hot, hot_labels), (cold, cold_labels) = [bars(document, cache, modes)
                                              for cache in ("hot", "cold")]
    shares = [("hot_curve", 1, curves(document, "hot", modes)),
              ("cold_curve", 2, curves(document, "cold", modes))]
    lines = [f"set terminal {TERMINALS[kind]}", f"set output '{path}'", 'set datafile missing "?"']
    lines += block("hot", hot) + block("cold", cold)
    for name, _, data in shares:
        lines += block(name, data)
    lines += [
        f'set multiplot title "{heading(setting)}" noenhanced',
        "set style data histogram", "set style histogram clustered gap 1",
        "set style fill solid 1 noborder", "set logscale y",
        "set grid ytics linetype 1 linecolor rgb '#dddddd'",
        "set border 3", "set xtics nomirror rotate by -25 noenhanced", "set ytics nomirror",
        "set format y '%g'", "set boxwidth 0.9", "set tmargin 2",
    ]
    key = "set key outside top center horizontal"
    if hot:
        lines += ["set origin 0,0.46", "set size 1,0.48", "set ylabel 'ms, image in the page cache'"]
        lines += hot_labels + bar_plot("hot", modes, key) + ["unset label"]
    if cold:
        lines += ["set origin 0,0", "set size 0.55,0.46", "set ylabel 'ms, image on disk'"]
        lines += cold_labels + bar_plot("cold", modes, "unset key") + ["unset label"]
    if any(data for _, _, data in shares):
        lines += [f"set origin {0.55 if cold else 0},0", "set size 0.45,0.46", "unset key",
                  "set ylabel 'ms'", "set xtics norotate", "set logscale x",
                  "set xlabel '% of memory touched (dashed: image on disk)'",
                  "set xtics (1, 5, 20, 50, 100)", "set xrange [0.9:110]"]
        lines += curve_plot([(name, dash) for name, dash, data in shares if data], modes)
    return "\n".join(lines + ["unset multiplot", ""])


def plot(document, path):
    """Draws to path, *.svg or *.png. Returns why it could not, or None."""
    gnuplot = shutil.which("gnuplot")
    if not gnuplot:
        return "no plot: there is no gnuplot (./bootstrap bench brings it)"
    if not columns(document):
        return "no plot: there is nothing to draw"
    kind = "png" if path.endswith(".png") else "svg"
    done = subprocess.run([gnuplot], input=script(document, path, kind), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if done.returncode == 0 else f"no plot: gnuplot says: {done.stdout.strip()}"
