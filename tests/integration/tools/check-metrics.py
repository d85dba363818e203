# tests/integration/tools/check-metrics.py - whether a text is OpenMetrics, by Prometheus' own parser.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: check-metrics.py FILE [EXPRESSION]...
#
# In each expression, which has to be true, m(NAME, LABEL=VALUE...) is the value of the one sample that is
# called so and has these labels, names the set of the families' names, and samples the list of samples.
import sys

from prometheus_client import parser as older
from prometheus_client.openmetrics import parser

text = open(sys.argv[1], encoding="utf-8").read()
families = list(parser.text_string_to_metric_families(text))
names = {family.name for family in families}
samples = [sample for family in families for sample in family.samples]


def m(name, **labels):
    found = [s.value for s in samples
             if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]
    assert len(found) == 1, (name, labels, found)
    return found[0]


# what node_exporter's textfile collector reads is the older format, without UNIT and EOF
assert {s.name for family in older.text_string_to_metric_families(text) for s in family.samples} == \
    {s.name for s in samples}
for family in families:
    assert family.documentation, family.name
    assert family.type in ("counter", "gauge", "histogram"), family.name
for expression in sys.argv[2:]:
    if not eval(expression):
        sys.exit("not so: " + expression)
