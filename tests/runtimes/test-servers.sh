# PostgreSQL and Redis in containers: all that they know is right after a lazy restore, as after a plain one.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The containers see the programs of this machine, read only, and a directory for their data. They have a
# user namespace, and PostgreSQL in it a user of its own: another uid without one cannot be dumped by a root
# that lacks CAP_SYS_RESOURCE.  Clients ask from outside, over Unix sockets; each connection to PostgreSQL
# is a fork.
#
# Environment: FI_SERVER_MIB (default 64), how much they hold; REDIS (redis-server), POSTGRES (the directory
# of its programs).
. "$abs_top_srcdir/tests/runtimes/functions.sh"

mib=${FI_SERVER_MIB:-16}
REDIS=${REDIS:-$(command -v redis-server)}
POSTGRES=${POSTGRES:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)}
runtime=runc
first_uid=100000 # of the container, in the host's count

# bind FROM TO [OPTION]: a mount in config.json
bind()
{
	printf ', { "destination": "%s", "type": "none", "source": "%s", "options": [ "rbind", "%s" ] }' \
		"$2" "$1" "${3:-ro}"
}

# make_server UID COMMAND [DIR]...: a bundle in which COMMAND runs in a shell, that sees DIRs of this
# machine, too
make_server()
{
	local uid=$1 command=$2 dir mounts root=$case/bundle/rootfs

	shift 2
	mkdir -p "$root"/{proc,dev,tmp,etc,data} "$case/data"
	chmod 755 "$tmp" "$case" "$case/bundle" "$root"
	chmod 1777 "$root/tmp"
	chown "$((first_uid + uid)):$((first_uid + uid))" "$case/data"
	echo "$command" >"$root/serve"
	echo "somebody:x:$uid:$uid::/data:/bin/sh" >"$root/etc/passwd"
	mounts=$(bind "$case/data" /data rw)
	for dir in /usr /lib /lib64 /bin "$@"; do
		if [ -L "$dir" ]; then
			ln -s "$(readlink "$dir")" "$root$dir"
		elif [ -d "$dir" ] && [[ $dir != /usr/* ]]; then
			# where the container's root may look, too
			mkdir -p "$root$dir" "$case/sees$dir"
			mount --bind "$dir" "$case/sees$dir" || die "cannot mount $dir"
			mounts+=$(bind "$case/sees$dir" "$dir")
		fi
	done
	cat >"$case/bundle/config.json" <<-END
		{ "ociVersion": "1.0.2",
		  "process": { "terminal": false, "user": { "uid": $uid, "gid": $uid }, "cwd": "/data",
		    "args": [ "/bin/sh", "/serve" ], "env": [ "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8" ] },
		  "root": { "path": "rootfs", "readonly": false },
		  "mounts": [
		    { "destination": "/proc", "type": "proc", "source": "proc" },
		    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": [ "mode=755" ] }$mounts ],
		  "linux": {
		    "uidMappings": [ { "containerID": 0, "hostID": $first_uid, "size": 65536 } ],
		    "gidMappings": [ { "containerID": 0, "hostID": $first_uid, "size": 65536 } ],
		    "namespaces": [ { "type": "user" }, { "type": "pid" }, { "type": "network" },
		      { "type": "ipc" }, { "type": "uts" }, { "type": "mount" } ] } }
	END
}

start_server()
{
	id=fi-server-$$
	rt run -d -b "$case/bundle" "$id" || rt_failed "cannot run it"
	until_true 60 answers || { tail_log "$case/data/log"; rt_failed "it does not answer in 60 s"; }
}

knows_it()
{
	local now

	now=$(ask) || die "$how: it cannot be asked"
	[ "$now" = "$expected" ] || die "$how: it knows something else: $now"
}

# restored_twice LAZY: whether some of it has to be, "certainly" or "maybe".  Plain first, so that what fails
# there is not ours.
restored_twice()
{
	local lazy=$1

	trap 'end_container >/dev/null 2>&1' EXIT
	start_server
	fill >/dev/null
	expected=$(ask) || die "it cannot be asked"
	echo "# it knows:" $expected
	checkpoint_container
	chmod -R a+rX "$case/img" # CRIU reads it as the container's root, too
	for how in plain lazy; do
		rm -rf "$case/data.then"
		cp -a "$case/data" "$case/data.then"
		[ "$how" = plain ] || "$faultin" setup runc --libdir "$plugin_dir" >/dev/null || die "setup failed"
		restore_container
		echo "# $how: runc restore took $((restore_us / 1000)) ms"
		until_true 60 answers || rt_failed "$how: it does not answer in 60 s"
		judge || die "$how: it is not as it was"
		[ "$how" = plain ] || "$faultin" complete
		end_container
		rm -rf "$case/data"
		cp -a "$case/data.then" "$case/data"
	done
	trap - EXIT
	grep -F ') faultin: ' "$case/work/restore.log" | tap_comment
	tail_log "$case/work/faultin.log"
	[ "$lazy" = maybe ] || until_true 30 grep -qsE '^faultin: complete: [1-9]' "$case/work/faultin.log" ||
		die "nothing of it was lazy"
	grep -q 'Plugin "faultin"' "$case/work/restore.log" || die "the plugin had no part in it"
}

# --- PostgreSQL ----------------------------------------------------------------------------------

sql()
{
	"$POSTGRES/psql" -h "$case/data" -U somebody -qAt -v ON_ERROR_STOP=1 postgres -c "$1"
}

# Its table fills its shared buffers, and is all there: what is inserted row by row goes through all of them.
postgresql()
{
	local rows=$((mib * 448)) # of 2 KiB

	fill()
	{
		sql "create table t (i integer, x text);
			insert into t select i, repeat(md5(i::text), 60) from generate_series(1, $rows) i; checkpoint" ||
			die "it cannot be filled"
	}
	answers()
	{
		sql 'select 1' >/dev/null 2>&1
	}
	ask()
	{
		sql "select count(*), sum(hashtextextended(x, i)) from t where x = repeat(md5(i::text), 60)"
	}
	judge()
	{
		knows_it && sql "update t set x = '' where i % 8 = 0; checkpoint" &&
			[ "$(sql "select count(*) from t where x = repeat(md5(i::text), 60)")" -eq $((rows - rows / 8)) ]
	}
	make_server 1000 "[ -e base ] || $POSTGRES/initdb -D /data -U somebody -A trust -N >/dev/null || exit 1
		exec $POSTGRES/postgres -D /data -k /data -c listen_addresses= -c shared_buffers=${mib}MB \
			-c dynamic_shared_memory_type=mmap -c fsync=off -c jit=off -c autovacuum=off \
			>/data/log 2>&1" "$POSTGRES"
	restored_twice maybe # it has little but shared buffers
	grep -q ') faultin: leaving out [1-9][0-9]* MiB of shared memory' "$case/work/restore.log" ||
		die "its shared buffers were not lazy"
}

# --- Redis ---------------------------------------------------------------------------------------

redis()
{
	local keys=$((mib * 900)) # of 1000 bytes

	talk()
	{
		python3 - "$case/data/socket" "$@" <<-'END'
			import socket, sys
			s = socket.socket(socket.AF_UNIX)
			s.settimeout(60)
			s.connect(sys.argv[1])
			reply = s.makefile("rb")
			for words in sys.argv[2:]:
			    s.sendall(words.encode() + b"\r\n")
			    line = reply.readline().decode().strip()
			    if line[:1] == "$":
			        line = reply.read(int(line[1:]) + 2).decode().strip()
			    print(line)
			    if line[:1] == "-":
			        sys.exit(1)
		END
	}
	fill()
	{
		talk "debug populate $keys key 1000" "set counter 1" || die "it cannot be filled"
	}
	answers()
	{
		[ "$(talk ping 2>/dev/null)" = +PONG ]
	}
	ask()
	{
		talk dbsize "debug digest"
	}
	# a child writes all of it down, before anybody has read it; then that is loaded
	judge()
	{
		talk bgsave >/dev/null && until_true 60 saved && knows_it &&
			talk "debug reload nosave" >/dev/null && knows_it
	}
	saved()
	{
		talk "info persistence" | grep -q 'rdb_bgsave_in_progress:0'
	}
	make_server 0 "exec $REDIS --port 0 --unixsocket /data/socket --save '' --dir /data \
		--rdbcompression no --enable-debug-command yes >/data/log 2>&1" "$(dirname "$(dirname "$REDIS")")"
	restored_twice certainly
}

can_server()
{
	can_runtime || return
	case $1 in
	postgresql) [ -x "$POSTGRES/postgres" ] || reason="there is no PostgreSQL" ;;
	redis) [ -x "$REDIS" ] && command -v python3 >/dev/null || reason="there is no redis-server, or no python3" ;;
	esac
	[ -z "$reason" ]
}

# so that children are forked, and look, while all is owed
printf 'drain = demand\nminimum-size = 0\nlazy-shared = yes\n' >"$FAULTIN_CONFIG"
for server in postgresql redis; do
	case=$tmp/$server
	mkdir "$case"
	if can_server "$server"; then
		mount -t tmpfs -o mode=755 none "$case" || die "no memory can be mounted" # disks may be busy
		attempt "$server, $mib MiB" "$server"
		kill_orphans || until_true 10 kill_orphans
	else
		tap_skip "$server" "$reason"
	fi
	awk -v under="$case" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | tac |
		xargs -r umount -l
	rm -rf /etc/criu
done
tap_done
