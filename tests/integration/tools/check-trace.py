# check-trace.py TRACE [SUMMARY] EXPRESSION...: a trace (doc/faultin-trace.5) is what it should be.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The file is read as JSON by rules that are not ours; where it was cut off, as Chrome's format allows.
# Each expression has to be true, of
#   events, faults (of them, those that are faults), engines, pages (given to faults), dropped, spaces
#   (by id: what is known of them), ended (the file has its end), r (the summary)
import json
import sys

text = open(sys.argv[1]).read()
ended = text.rstrip().endswith("]")
events = json.loads(text if ended else text + "]")
for line in text.strip("[]\n").split("\n"):
    json.loads(line.rstrip(","))  # one event a line

summary = [word for word in sys.argv[2:] if word.endswith(".json")]
r = json.load(open(summary[0])) if summary else None

faults = [e for e in events if e.get("cat") == "fault"]
again = [e for e in events if e.get("cat") == "again"]
engines = [e for e in events if e["name"] == "engine"]
forks = [e for e in events if e["name"] == "fork"]
ends = [e for e in events if e["name"] == "end"]
counters = [e for e in events if e["name"] == "pages"]
pages = sum(e["args"]["pages"] for e in faults + again if e["name"] in ("image", "parent"))
dropped = max((e["args"]["events"] for e in events if e["name"] == "dropped"), default=0)
spaces = {e["pid"]: e["args"] for e in events if e["name"] == "process_name"}

for event in faults + again:
    assert event["ph"] == "X" and event["dur"] > 0, event
    assert event["name"] in ("image", "parent", "zero", "poison", "present", "unmapped", "parked", "over"), event
    assert int(event["args"]["addr"], 16) % 4096 == 0, event
    assert event["args"]["pages"] > 0 or event["name"] not in ("image", "parent", "zero"), event
for event in events:
    assert isinstance(event["pid"], int) and isinstance(event["tid"], int), event
    assert event["ph"] == "M" or event["ts"] > 0, event
for event in engines:
    assert event["args"]["version"] == 1

for expression in sys.argv[2:]:
    if not expression.endswith(".json") and not eval(expression):
        print("not so:", expression)
        print("faults", len(faults), "again", len(again), "pages", pages, "dropped", dropped, "engines", len(engines),
              "forks", len(forks), "ends", len(ends), "ended", ended)
        print("spaces", spaces)
        print("summary", r)
        sys.exit(1)
