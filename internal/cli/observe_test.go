package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// observeHistory runs observe over a short history of an election.
func observeHistory(t *testing.T, storage s3lect.Storage, args ...string) string {
	t.Helper()
	resigned := strings.Replace(resignedRecord, `"term":7`, `"term":8`, 1)
	for i, record := range []string{heldRecord, heldRecord, heldRecord, heldRecord, nextRecord, nextRecord, nextRecord, resigned} {
		renewed := strings.Replace(record, `"nonce":"`, fmt.Sprintf(`"sequence":%d,"nonce":"%d`, i+1, i), 1)
		time.AfterFunc(time.Duration(2+5*i)*time.Second, func() { put(t, storage, renewed) })
	}
	term := newTerminal(t).on(storage)
	term.interruptAfter(time.Minute)
	code, out, says := term.run(with("observe", append([]string{"--id", "me"}, args...)...)...)
	assert.Equal(t, exitOK, code, says)
	assert.Contains(t, says, `msg="observing the election" server=me`)
	assert.NotContains(t, says, "level=WARN")
	return out
}

func TestObserverPrintsALineForEachChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lines := strings.Split(strings.TrimSpace(observeHistory(t, memory.New())), "\n")
		for i, line := range lines {
			require.Regexp(t, `^2000-01-01T00:0\d:\d\d\.\d{3}Z  `, line)
			lines[i] = line[strings.Index(line, "  ")+2:]
		}
		assert.Equal(t, []string{
			"nobody leads",
			"a leads at 10.0.0.1:8443 with term 7",
			"b leads at 10.0.0.2:8443 with term 8",
			"nobody leads: term 8 has ended",
		}, lines)
	})
}

func TestObserverPrintsAJSONValueALine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var leaders []string
		for line := range strings.Lines(observeHistory(t, memory.New(), "--json")) {
			var s sight
			require.NoError(t, json.Unmarshal([]byte(line), &s))
			assert.False(t, s.Time.IsZero())
			leaders = append(leaders, s.LeaderID)
		}
		assert.Equal(t, []string{"", "a", "b", ""}, leaders)
	})
}

func TestObserverNeverLeadsAndIsOnTheListUntilItEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		listed := make(chan []s3lect.Observer, 1)
		time.AfterFunc(50*time.Second, func() {
			observers, err := outsider(t, storage).Observers(t.Context())
			assert.NoError(t, err)
			listed <- observers
		})
		term := newTerminal(t).on(slow{storage})
		term.interruptAfter(time.Minute)
		code, out, says := term.run(with("observe", "--id", "me", "--addr", "here:1", "--metadata", "zone=eu-1,rack=7", "--metadata", "os=linux")...)
		assert.Equal(t, exitOK, code, says)
		assert.True(t, strings.HasSuffix(out, "  nobody leads\n"), out)
		seen := <-listed
		require.Len(t, seen, 1)
		assert.Equal(t, "me", seen[0].ID)
		assert.Equal(t, map[string]string{"zone": "eu-1", "rack": "7", "os": "linux", "addr": "here:1"}, seen[0].Metadata)

		_, _, err := storage.Get(t.Context(), "leader.json")
		require.ErrorIs(t, err, s3lect.ErrStorageNotFound, "nobody has claimed, although nobody led")
		left, err := outsider(t, storage).Observers(t.Context())
		require.NoError(t, err)
		assert.Empty(t, left)
	})
}

func TestObserverSaysWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	complete := asPeer(made.CA, made.Nodes[0].Pair)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no value":          {[]string{"--metadata", "zone"}, `invalid argument "zone" for "--metadata" flag: "zone" must be KEY=VALUE, such as zone=eu-1; commas separate several`},
		"no key":            {[]string{"--metadata", "=eu-1"}, `"=eu-1" must be KEY=VALUE`},
		"a comma at an end": {[]string{"--metadata", "zone=eu-1,"}, `"" must be KEY=VALUE`},
		"twice":             {[]string{"--metadata", "zone=a", "--metadata", "zone=b"}, `there is more than one "zone"`},
		"too much":          {[]string{"--metadata", "zone=" + strings.Repeat("x", 2000)}, "--metadata: "},
		"no lease":          {[]string{"--lease", "0s"}, "--lease 0s must be positive"},
		"frequent":          {[]string{"--lease", "1s", "--frequent", "2s"}, "--frequent 2s must be at most four fifths of --lease 1s"},
		"address":           {[]string{"--addr", "here"}, `--addr "here" must be host:port`},
		"address twice":     {[]string{"--addr", "here:1", "--metadata", "addr=there:1"}, "--addr here:1 and --metadata addr=there:1 say the same: give one of them"},
		"CA alone":          {complete[:2], "peer mode needs --peer-cert, --peer-key as well"},
		"time alone":        {[]string{"--peer-timeout", "1s"}, "--peer-timeout 1s is for peer mode, which --peer-ca, --peer-cert and --peer-key turn on"},
		"missing file":      {append([]string{"--peer-ca", "/no/such/ca.pem"}, complete[2:]...), `--peer-ca: cannot read "/no/such/ca.pem"`},
		"listening":         {[]string{"--peer-listen", ":8443"}, "unknown flag: --peer-listen"},
		"a command":         {[]string{"--", "./job"}, `"s3lect observe" takes no arguments, but there is "./job"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, says := newTerminal(t).on(memory.New()).run(with("observe", c.args...)...)
			assert.Equal(t, exitUsage, code)
			assert.Contains(t, says, c.says)
			assert.Empty(t, out)
		})
	}
}

func TestObserverEndsWhereTheStorageCanNeverHoldTheKey(t *testing.T) {
	t.Parallel()
	code, _, says := newTerminal(t).run("observe", "--store", "file://"+t.TempDir(), "--key", "../x")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, says, s3lect.ErrStorageKey.Error())
}

func TestObserverTellsThatTheLeaderHasFallenSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		put(t, storage, heldRecord)
		term := newTerminal(t).on(storage)
		term.interruptAfter(3 * lease)
		_, out, says := term.run(with("observe", "--id", "me")...)
		require.Equal(t, 2, strings.Count(out, "\n"), "%s%s", out, says)
		assert.Contains(t, out, "Z  a leads at 10.0.0.1:8443 with term 7\n")
		assert.Contains(t, out, "Z  nobody leads: term 7 has ended\n")
	})
}
