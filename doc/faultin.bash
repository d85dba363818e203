# doc/faultin.bash - completion for faultin(1) in bash.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Verbs and options are those of --help, so that they are never out of date.

# _faultin_options VERB: the options, those with a value as "--name="
_faultin_options()
{
	"${COMP_WORDS[0]}" "$1" --help 2>/dev/null | sed -nE 's/^ +(-.*)$/\1/p' | sed -E 's/   .*//' |
		grep -oE '(^|[ ,])--?[A-Za-z][A-Za-z-]*' | grep -oE -e '-.*'
}

# _faultin_sessions: the names of those that run
_faultin_sessions()
{
	"${COMP_WORDS[0]}" status 2>/dev/null | sed -nE 's/^session ([0-9-]+):.*/\1/p'
}

_faultin()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" --help 2>/dev/null |
			sed -nE 's/^  ([a-z]+) +.*/\1/p') --help --version" -- "$word"))
		return
	fi
	case $before in
	--kind)
		COMPREPLY=($(compgen -W "heap stack anon file file-shared shared sysv memfd aio socket
			shadow-stack vdso vvar vsyscall" -- "$word"))
		return
		;;
	--bundle | --libdir | --sysconfdir | -D | --images-dir | -W | --work-dir)
		COMPREPLY=($(compgen -d -- "$word"))
		return
		;;
	-o | --output)
		COMPREPLY=($(compgen -f -- "$word"))
		return
		;;
	--drain)
		COMPREPLY=($(compgen -W "background eager demand" -- "$word"))
		return
		;;
	--container | --drain-rate | --threads | -t | --task | --tree | --prot | --range | --grep | --dump | --status-fd | --images-dir-fd | --parent-pidfd | --handover-fd | --heir)
		return # nothing that could be guessed
		;;
	esac
	case $verb in
	complete | metrics | pause | rate | resume | status | top | upgrade | wait)
		[[ $word == -* ]] || {
			COMPREPLY=($(compgen -W "$(_faultin_sessions)" -- "$word"))
			return
		}
		;;
	esac
	if [ "$verb" = setup ] && [[ $word != -* ]]; then
		COMPREPLY=($(compgen -W "runc crun podman criu" -- "$word"))
		return
	fi
	if [ "$verb" = hook ] && [[ $word != -* ]]; then
		COMPREPLY=($(compgen -W "prestart createRuntime poststart poststop" -- "$word"))
		return
	fi
	if [[ $word == -* ]]; then
		COMPREPLY=($(compgen -W "$(_faultin_options "$verb")" -- "$word"))
	else
		COMPREPLY=($(compgen -f -- "$word"))
	fi
}

complete -o filenames -F _faultin faultin
