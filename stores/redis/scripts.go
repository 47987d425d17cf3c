package redis

import (
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Each script takes one key, so that it runs on the one node of a cluster that has it. It answers
// one of the numbers below, or the value that is there. Errors of Redis are passed on as they come
// (pcall), so that they have the same text in all versions.
//
// A script may arrive twice: the client sends it again where a node redirects, and a proxy may. The
// second copy finds its own version and answers as the first did.
const (
	answerDone    int64 = 1
	answerStale   int64 = 0  // the version is another one
	answerForeign int64 = -1 // the value is another program's
)

// scriptStart reads the header of what is there; it is "" if there is nothing.
const scriptStart = `
local header = redis.pcall('GETRANGE', KEYS[1], 0, $last)
if type(header) ~= 'string' then return header end
if header == '' and redis.call('EXISTS', KEYS[1]) == 1 then return -1 end
if header ~= '' and not (string.sub(header, 1, $magicSize) == '$magic' and string.sub(header, $headerSize) == '\n') then
  return -1
end
local function answer(reply)
  if type(reply) == 'table' and reply.err then return reply end
  return 1
end
`

var (
	// putScript compares and swaps. ARGV: the header of the version to replace, "" if there must
	// be none, and the new value. The time to live stays as it is.
	putScript = newScript(scriptStart + `
if header == string.sub(ARGV[2], 1, $headerSize) then return 1 end
if header ~= ARGV[1] then return 0 end
if header == '' then return answer(redis.pcall('SET', KEYS[1], ARGV[2])) end
return answer(redis.pcall('SET', KEYS[1], ARGV[2], 'KEEPTTL'))
`)

	// createScript creates, or answers what is there. ARGV: the value, and its time to live in
	// milliseconds, 0 for ever. It writes first: winners are waiting, and SET NX is harmless.
	createScript = newScript(`
local reply
if ARGV[2] == '0' then reply = redis.pcall('SET', KEYS[1], ARGV[1], 'NX')
else reply = redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) end
if type(reply) == 'table' and reply.ok then return 1 end
local value = redis.pcall('GETRANGE', KEYS[1], 0, $maxRead - 1)
if type(value) ~= 'string' then return value end
if value == '' then
  if type(reply) == 'table' then return reply end
  return -1
end
if string.sub(value, 1, $headerSize) == string.sub(ARGV[1], 1, $headerSize) then return 1 end
return value
`)

	// deleteScript deletes what is this storage's.
	deleteScript = newScript(scriptStart + `
return answer(redis.pcall('DEL', KEYS[1]))
`)
)

// script is the source, and its name on the server.
type script struct{ source, sha string }

func newScript(source string) script {
	source = strings.NewReplacer(
		"$magicSize", strconv.Itoa(len(magic)), "$magic", magic,
		"$headerSize", strconv.Itoa(headerSize), "$last", strconv.Itoa(headerSize-1),
		"$maxRead", strconv.Itoa(maxRead),
	).Replace(strings.TrimSpace(source))
	return script{source: source, sha: goredis.NewScript(source).Hash()}
}
