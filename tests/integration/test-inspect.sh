# What `faultin inspect` says is what another count of the image says, and what /proc said before.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

here=$abs_top_srcdir/tests/integration
command -v python3 >/dev/null || tap_skip_all "python3 counts the images"

# dump_watched NAME COMMAND...: as dump_scenario, with a copy of what /proc says before the dump
dump_watched()
{
	local name=$1 pid one

	shift
	case=$tmp/$name
	mkdir -p "$case/img" "$case/run" "$case/proc"
	: >"$tmp/ends"
	(FI_INSPECTED=$name "$@" "$case/run" 9>&- &)
	until_true 60 test -s "$case/run/ready" || die "$name was not ready in 60 s"
	pid=$(<"$case/run/ready")
	until_true 20 changes_no_more "$pid" || die "$name does not come to rest"
	for one in "$pid" $(descendants "$pid"); do
		mkdir "$case/proc/$one"
		cp "/proc/$one"/{smaps,comm,cmdline,environ} "$case/proc/$one"
	done
	timeout -k 5 120 "$CRIU" dump -t "$pid" -D "$case/img" -o dump.log -v4 9>&- || {
		tail_log "$case/img/dump.log"
		die "cannot dump $name"
	}
	until_true 10 no_orphans || die "the dumped tree lives on:" $(orphans)
}

# memory_of PID: what it and its descendants have, by /proc
memory_of()
{
	local one

	for one in "$1" $(descendants "$1"); do
		grep -E '^(Rss|Anonymous|Swap):' "/proc/$one/smaps"
	done
}

# changes_no_more PID: it says the same for a while
changes_no_more()
{
	local before

	before=$(memory_of "$1")
	nap 0.3
	[ "$before" = "$(memory_of "$1")" ]
}

descendants()
{
	local child

	for child in $(cat "/proc/$1"/task/*/children); do
		echo "$child"
		descendants "$child"
	done
}

# inspect REPORT OPTION...: JSON into the file
inspect()
{
	local report=$1

	shift
	"$faultin" inspect --json "$@" >"$report" 2>"$case/said" || {
		tap_comment <"$case/said"
		die "inspect fails"
	}
}

agrees()
{
	inspect "$case/report.json" --maps --pages --env "$case/img"
	python3 "$here/tools/check-report.py" "$case/report.json" "$case/img" "$case/proc" >"$case/out"
	local status=$?
	tap_comment <"$case/out"
	[ "$status" -eq 0 ] || die "they differ"
}

# same_report A B: but for where the image is
same_report()
{
	python3 - "$1" "$2" <<-'END' || die "the reports differ"
		import json, sys
		a, b = (json.load(open(name)) for name in sys.argv[1:])
		for report in a, b:
		    for key in "name", "kind", "inside":
		        report["image"].pop(key, None)
		    report.get("pages", {}).pop("reading", None)
		sys.exit(a != b)
	END
}

# archive TAR-OPTION...: the image as podman lays it out
archive()
{
	mkdir -p "$case/pod"
	ln -sfn "$case/img" "$case/pod/checkpoint"
	echo '{"name":"web","id":"0123","rootfsImageName":"example/web:1","runtime":"runc"}' \
		>"$case/pod/config.dump"
	echo '{"annotations":{"io.kubernetes.pod.name":"pod-1","io.kubernetes.container.name":"front"}}' >"$case/pod/spec.dump"
	tar -C "$case/pod" --dereference --exclude='*.log' "$@" . || die "no archive"
}

# archived NAME TAR-OPTION...
archived()
{
	local file=$case/$1

	shift
	archive "$@" -cf "$file"
	rm -f "$case/img/dump.log" # which is not in the archive
	inspect "$case/all.json" --all --pages "$case/img"
	inspect "$case/archived.json" --all --pages "$file"
	grep -q '"pod":"pod-1"' "$case/archived.json" || die "the pod has no name"
	python3 - "$case/archived.json" <<-'END' || die "the container is another"
		import json, sys
		image = json.load(open(sys.argv[1]))["image"]
		container = image["container"]
		sys.exit(container["name"] != "front" or container["image"] != "example/web:1"
		         or image["inside"] != "checkpoint/")
	END
	python3 - "$case/archived.json" <<-'END'
		import json, sys
		report = json.load(open(sys.argv[1]))
		report["image"].pop("container")
		json.dump(report, open(sys.argv[1], "w"))
	END
	same_report "$case/all.json" "$case/archived.json"
	cat "$file" | inspect "$case/piped.json" --maps -
	[ "$(grep -c '"why"' "$case/piped.json")" = "$(grep -c '"why"' "$case/all.json")" ] ||
		die "through a pipe it has other mappings"
	rm "$file"
}

# Its peak of memory stays below 64 MiB, though the image is larger.
frugal()
{
	archive -I 'zstd -1 -q' -cf "$case/big.tar.zst"
	python3 - "$faultin" "$case/big.tar.zst" <<-'END' || die "it takes more than 64 MiB"
		import os, resource, subprocess, sys
		for option in "--maps", "--pages", "--env":
		    subprocess.run([sys.argv[1], "inspect", option, sys.argv[2]], check=True,
		                   stdout=subprocess.DEVNULL)
		peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
		print(f"# {os.path.getsize(sys.argv[2]) >> 20} MiB of archive, peak {peak >> 10} MiB")
		sys.exit(peak >= 64 << 10)
	END
	rm "$case/big.tar.zst"
}

# Bytes that cross the end of a page are found once in each of both processes, and can be shown.
finds()
{
	local address

	inspect "$case/grep.json" --grep needle_fault --kind anon "$case/img"
	python3 - "$case/grep.json" >"$case/hit" <<-'END' || die "found: $(<"$case/grep.json")"
		import json, sys
		grep = json.load(open(sys.argv[1]))["grep"]
		hits = [hit for hit in grep["hits"] if int(hit["address"], 16) % 4096 == 4090]
		print(hits[0]["address"])
		sys.exit(len({hit["pid"] for hit in hits}) != 2)
	END
	address=$(<"$case/hit")
	inspect "$case/hex.json" --grep hex:6e6565646c655f6661756c74 --kind anon "$case/img"
	[ "$(grep -c '"address"' "$case/hex.json")" = "$(grep -c '"address"' "$case/grep.json")" ] ||
		die "as hexadecimal digits it finds something else"
	"$faultin" inspect --dump "$address,12" "$case/img" | grep -qF '|needle_fault|' ||
		die "--dump does not show it"
	inspect "$case/range.json" --grep needle_fault --range "$address-$(printf %x $((address + 1)))" \
		"$case/img"
	[ "$(grep -c '"address"' "$case/range.json")" -eq 2 ] || die "--range is not heeded"
}

# The page loads nothing, and has the report in it.
writes_page()
{
	"$faultin" inspect --html "$case/page.html" --pages "$case/img" >"$case/out" ||
		die "exit status $?"
	[ ! -s "$case/out" ] || die "it prints something, too"
	! grep -qE '(src|href)=|https?:|@import|url\(' "$case/page.html" || die "the page loads something"
	python3 - "$case/page.html" <<-'END' || die "the page has no report"
		import json, re, sys
		found = re.search(r'id="report">(.*?)</script>', open(sys.argv[1]).read(), re.S)
		report = json.loads(found[1])
		sys.exit(len(report["tasks"]) != 2 or "environment" in report or "pages" not in report)
	END
}

shows_kinds()
{
	inspect "$case/kinds.json" --all "$case/img"
	python3 - "$case/kinds.json" <<-'END' || die "something is missing"
		import json, sys
		report = json.load(open(sys.argv[1]))
		sockets = report["sockets"]
		assert {s["family"] for s in sockets} == {"unix", "inet"}, sockets
		assert any(s["local"].startswith("@faultin-rich-") for s in sockets), sockets
		assert any(s["state"] == "listening" and s["local"].startswith("127.0.0.1:")
		           for s in sockets), sockets
		pair = [s for s in sockets if s.get("peer")]
		assert len(pair) == 2 and pair[0]["peer"] == pair[1]["inode"], pair
		descriptors = report["files"]["tasks"][0]["descriptors"]
		assert any(d["name"].endswith("/deleted") for d in descriptors), descriptors
		assert any(d["name"] == "memfd:faultin-rich" for d in descriptors), descriptors
		assert {n["type"] for n in report["namespaces"]} >= {"pid", "mnt", "net"}
		maps = report["tasks"][0]["maps"]
		shared = sorted(m["memory"]["shared"] for m in maps if m["memory"]["shared"])
		assert shared == [1, 3], shared
		assert all(m["memory"]["lazy"] == 0 or m["lazy"] for m in maps)
		assert all("why" in m for m in maps if m["memory"]["lazy"] == 0)
		assert [m["kind"] for m in maps].count("stack") == 1
	END
}

# Two images of one tree, made by hand: 7 pages changed, 3 gone.
differs()
{
	cp -r "$case/img" "$case/later"
	python3 - "$case/later" "$here/tools" <<-'END' || die "cannot change the image"
		import sys
		sys.path.insert(0, sys.argv[2])
		from criu_image import Image, tasks
		pid = next(iter(tasks(sys.argv[1])))
		pagemap = Image(f"{sys.argv[1]}/pagemap-{pid}.img")
		pages = f"{sys.argv[1]}/pages-{pagemap.records[0].get(1)}.img"
		data = bytearray(open(pages, "rb").read())
		for page in range(7):
		    data[page * 3 * 4096] ^= 1
		run = max(pagemap.records[1:], key=lambda run: run.get(5))
		end = 4096 * sum(one.get(5) for one in pagemap.records[1 : pagemap.records.index(run) + 1])
		if run.get(5) < 30:
		    sys.exit("no run is long enough")
		run.set(5, run.get(5) - 3)
		del data[end - 3 * 4096 : end]
		open(pages, "wb").write(data)
		pagemap.write(f"{sys.argv[1]}/pagemap-{pid}.img")
	END
	inspect "$case/diff.json" --diff "$case/img" "$case/later"
	python3 - "$case/diff.json" <<-'END' || die "it says otherwise"
		import json, sys
		report = json.load(open(sys.argv[1]))
		diff = report["diff"]
		print({key: diff[key] for key in ("same", "changed", "new", "gone")})
		sys.exit((diff["changed"], diff["new"], diff["gone"]) != (7, 0, 3)
		         or diff["same"] != report["memory"]["pages"] - 7
		         or [t["changed"] for t in diff["tasks"]][1:] != [0])
	END
	inspect "$case/none.json" --diff "$case/img" "$case/img"
	grep -q '"changed":[1-9]' "$case/none.json" && die "an image differs from itself"
	rm -r "$case/later"
}

refuses()
{
	local status

	"$faultin" inspect "$@" >"$tmp/out" 2>&1
	status=$?
	[ "$status" -eq "$expected" ] && [ -s "$tmp/out" ] ||
		die "exit status $status, expected $expected: $(<"$tmp/out")"
}

# As an archive leaves it that was unpacked.
is_above()
{
	mkdir "$tmp/unpacked"
	ln -s "$case/img" "$tmp/unpacked/checkpoint"
	refuses "$tmp/unpacked"
	grep -q "'$tmp/unpacked' has no image, but its 'checkpoint' has one" "$tmp/out" ||
		die "it says: $(<"$tmp/out")"
	"$faultin" inspect --maps "$tmp/unpacked/checkpoint" >"$tmp/out" || die "there is none below"
}

attempt "rich: dump" dump_watched rich python3 "$here/programs/rich.py"
case=$tmp/rich
attempt "rich: two counts and /proc agree" agrees
attempt "rich: sockets, files, memory files, mappings" shows_kinds
attempt "rich: a page for a browser" writes_page
attempt "rich: bytes are found and shown" finds
attempt "rich: two images are compared" differs
attempt "rich: .tar" archived a.tar
attempt "rich: .tar.gz" archived a.tar.gz -z
attempt "rich: .tar.zst" archived a.tar.zst -I zstd
expected=1
attempt "no such image: exit status 1" refuses "$tmp/no-such"
attempt "no image: exit status 1" refuses "$tmp"
attempt "above an image: exit status 1" is_above
attempt "no such task: exit status 1" refuses --task 1 "$case/img"
expected=2
attempt "no argument: exit status 2" refuses
attempt "unknown option: exit status 2" refuses --no-such "$case/img"
attempt "wrong value: exit status 2" refuses --dump 12 "$case/img"
attempt "no such kind: exit status 2" refuses --kind nothing "$case/img"
remove_case rich

attempt "tree: dump" dump_watched tree "$scenarios" tree
case=$tmp/tree
attempt "tree: two counts and /proc agree" agrees
if [ "$SANITIZERS" = no ]; then # they take memory of their own
	attempt "tree: an archive of 400 MiB takes less than 64 MiB of memory" frugal
fi
remove_case tree

redis=$(command -v redis-server)
if [ -n "$redis" ]; then
	# its pid file is its sign that it is ready
	attempt "redis: dump" dump_watched redis bash -c \
		'exec setsid "$0" --port 0 --unixsocket "$1/socket" --save "" --pidfile "$1/ready" \
		>/dev/null 2>&1' "$redis"
	case=$tmp/redis
	attempt "redis: two counts and /proc agree" agrees
	remove_case redis
fi
tap_done
