#!/bin/sh
# Run a command on one of the machines that are to run it, once per round. It needs sh and curl.
#
#   once.sh SYSTEM ROUND COMMAND [ARGUMENT...]
#   once.sh billing 2026-11-21T08:00 /usr/local/bin/billing --all
#
# Every machine asks a server ("s3lect serve") whether it is the one for the round. All name the round
# alike: after the time for which the job is planned, never after the time at which they ask. The one
# that is elected runs the command and, if the command succeeds, records that.
#
# Environment:
#   S3LECT_SERVER      URL of the server, or of several with commas in between: http://127.0.0.1:8080
#   S3LECT_ID          identity of this copy of the job, which no other copy has: the host's name.
#                      It wins again when it asks again, so that a job that was interrupted, or has
#                      failed, can be started again.
#   S3LECT_TOKEN_FILE  file with a token in a line, if the server wants one
#   S3LECT_PAUSES      seconds to wait before each further attempt: "1 2 4 8 16"
#
# Exit status:
#   that of the command, if it was run; the round is completed only where that is 0
#   0    also where another one is elected, or the round is completed already
#   123  the command has succeeded, but that could not be recorded
#   124  could not tell who is elected; the command was not run. Ask again, under the same identity
#   125  wrong usage, or the server refuses; the command was not run
#   126, 127  the command cannot be run, or is not there
#
# It says nothing unless something is wrong or a person is looking, so that cron sends no mail.
set -fu

newline='
'
cr=$(printf '\r')

say() { printf 'once.sh: %s\n' "$*" >&2; }

note() { if [ -t 2 ]; then say "$@"; fi; }

fail() { # STATUS REASON
	code=$1
	shift
	say "$@"
	exit "$code"
}

# The checks run in subshells, where ranges are those of ASCII; the command keeps its language.

is_identifier() ( # VALUE
	LC_ALL=C
	case $1 in
	*[!A-Za-z0-9._:@+=,~-]*) return 1 ;;
	*[!.]*) return 0 ;;
	esac
	return 1
)

is_printable() ( # VALUE
	LC_ALL=C
	case $1 in
	' '* | *' ' | *[!\ -~]*) return 1 ;;
	esac
)

# first_token prints what is to stand between the quotes of a configuration of curl.
first_token() { # FILE
	sed -n -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' -e '/^#/d' -e '/^$/d' \
		-e 's/[\\"]/\\&/g' -e p -e q "$1"
}

# request prints the head and the body of the answer, and its status in a last line. The token comes
# from standard input: everybody can see the arguments of a process.
request() { # SERVER OPERATION
	case $2 in completed) form=application/json ;; *) form=text/plain ;; esac
	curl --disable --silent --show-error --globoff --include --connect-timeout 5 --max-time 15 \
		--header "X-Candidate-Id: $id" --header "Accept: $form" --write-out '\n%{http_code}' --config - \
		"${1%/}/api/v1/$2/$system/$round" 2>&1 <<-END
			$authorization
		END
}

# take sets status, reason (the first line of the body) and result. Only answers of s3lect have a
# result: without it, the 204 of a wrong address would be taken for somebody else's election.
take() { # ANSWER
	status=${1##*"$newline"}
	reason=${1%"$newline"*}
	reason=${reason##*"$cr$newline$cr$newline"}
	reason=${reason%%"$newline"*}
	result=
	case $1 in
	*"$newline"[Ss]3lect-[Rr]esult:\ *)
		result=${1#*"$newline"[Ss]3lect-[Rr]esult: }
		result=${result%%"$cr"*}
		;;
	esac
}

# ask sets result to what a server tells: to "refused" if it refuses, to nothing if none could tell.
# The reason is said by then.
ask() { # OPERATION
	for pause in $pauses end; do
		for server in $servers; do
			answer=$(request "$server" "$1")
			take "$answer"
			case $status in
			2??)
				if [ -n "$result" ]; then return; fi
				problem="$server answers $status, but not as s3lect does: is this its address?"
				;;
			408 | 429 | 5??) problem="$server answers $status: $reason" ;;
			[34]??)
				say "$server refuses with $status: $reason"
				result=refused
				return
				;;
			*) # no answer
				problem="$server: ${answer#*curl: }"
				problem=${problem%%"$newline"*}
				;;
			esac
			note "$problem"
		done
		if [ "$pause" != end ]; then sleep "$pause"; fi
	done
	say "$problem"
	result=
}

if [ $# -lt 3 ]; then fail 125 'usage: once.sh SYSTEM ROUND COMMAND [ARGUMENT...]'; fi
system=$1
round=$2
shift 2
servers=$(printf '%s' "${S3LECT_SERVER:-http://127.0.0.1:8080}" | tr , ' ')
pauses=${S3LECT_PAUSES-1 2 4 8 16}
id=${S3LECT_ID:-$(uname -n)}
authorization=

for name in "$system" "$round"; do
	is_identifier "$name" ||
		fail 125 "\"$name\" cannot name a system or a round: possible are letters, digits and any of . _ : @ + = , ~ -"
done
is_printable "$id" || fail 125 'S3LECT_ID contains something unprintable, or begins or ends with a space'
for server in $servers; do
	case $server in
	http://* | https://*) ;;
	*) fail 125 "S3LECT_SERVER: \"$server\" is not a URL such as http://127.0.0.1:8080" ;;
	esac
done
if [ -n "${S3LECT_TOKEN_FILE-}" ]; then
	token=$(first_token "$S3LECT_TOKEN_FILE") || fail 125 'cannot read S3LECT_TOKEN_FILE'
	if [ -z "$token" ]; then fail 125 "S3LECT_TOKEN_FILE: \"$S3LECT_TOKEN_FILE\" holds no token"; fi
	authorization="header = \"Authorization: Bearer $token\""
fi
command -v curl >/dev/null || fail 125 'curl is not installed'
# Now: a round that is won here and cannot be run here would be lost.
command -v "$1" >/dev/null || fail 127 "there is no command \"$1\""

ask elect
case $result in
elected) ;;
not_elected)
	note "somebody else is elected for round \"$round\" of \"$system\""
	exit 0
	;;
refused) exit 125 ;;
*) fail 124 "could not tell who is elected for round \"$round\" of \"$system\"; $id may be: ask again" ;;
esac

# This identity may have won and done it before.
ask completed
case $result in
nobody) ;;
known)
	case $reason in
	*'"completed":{"id":"'"$(printf %s "$id" | sed 's/[\\"]/\\&/g')"'",'*)
		note "round \"$round\" of \"$system\" is completed already"
		exit 0
		;;
	*) say "round \"$round\" of \"$system\" was completed by somebody who was not elected; running the command nonetheless" ;;
	esac
	;;
refused) exit 125 ;;
*) fail 124 "elected for round \"$round\" of \"$system\", but could not tell whether it is completed already: ask again" ;;
esac

"$@"
code=$?
if [ $code -ne 0 ]; then exit $code; fi

ask complete
if [ "$result" != recorded ]; then
	fail 123 "the command has succeeded, but round \"$round\" of \"$system\" could not be recorded as completed"
fi
