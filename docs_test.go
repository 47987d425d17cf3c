package s3lect_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// The functions below hold the code of README.md. That they compile, and are the same, is the test.

func readmeLead(ctx context.Context, id, addr string, runScheduler func(context.Context, int64) error) error {
	storage, err := s3lect.OpenS3Storage(ctx, "s3://my-bucket/elections?region=eu-central-1")
	if err != nil {
		return err
	}
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config:  &s3lect.ElectorConfig{LockfilePath: "scheduler.json", ServerID: id, ServerAddr: addr},
		Storage: storage,
	})
	if err != nil {
		return err
	}
	return elector.Lead(ctx, runScheduler) // runs only where, and only while, this process leads
}

func readmeGuard(ctx context.Context, elector *s3lect.S3Elector, cleanUp func(context.Context, int64) error) error {
	err := elector.Lead(ctx, func(ctx context.Context, term int64) error {
		for {
			if err := cleanUp(ctx, term); err != nil {
				return err // releases the leadership; Lead returns the error
			}
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done(): // context.Cause(ctx) says why, and until when to stop: *LeadershipEnd
				return ctx.Err()
			}
		}
	})
	return err
}

type switchable interface {
	On(ctx context.Context) error
	Off(ctx context.Context) error
}

func readmeHooks(config *s3lect.ElectorConfig, scheduler switchable) {
	config.OnAcquireLeadership = func(ctx context.Context) error { return scheduler.On(ctx) }
	config.OnLoseLeadership = func(ctx context.Context) error { return scheduler.Off(ctx) }
}

func readmePeers(ctx context.Context, config *s3lect.ElectorConfig, elector *s3lect.S3Elector) error {
	config.PeerMode = true // before NewS3Elector; the others find this member at ServerAddr
	config.PeerCAFile, config.PeerCertFile, config.PeerKeyFile = "ca.pem", "node-a.pem", "node-a-key.pem"

	server, err := s3lect.NewHealthServer(s3lect.HealthServerConfig{
		BindAddress: ":8443", CertFile: "node-a.pem", KeyFile: "node-a-key.pem", ClientCAFile: "ca.pem",
		Elector: elector,
	})
	if err != nil {
		return err
	}
	err = server.Start(ctx) // and server.Stop after the elector's
	return err
}

func readmeQuorum(config *s3lect.ElectorConfig) {
	config.ObserverMetadata = map[string]string{"zone": "eu-1"} // heartbeats by itself; elector.Observers(ctx) lists all
	config.QuorumSize = 2                                       // a leader that is left alone steps down
	config.NonVoting = true                                     // on members that never lead, and count all the same
}

func readmeRounds(ctx context.Context, host string) error {
	client, err := rounds.NewClient(rounds.ClientOptions{Servers: []string{"http://127.0.0.1:8080"}, ID: host})
	if err != nil {
		return err
	}
	won, _, err := client.Elect(ctx, "billing", "2026-11-21T08:00") // an error says that it could not be told
	if won {
		return nil
	}
	return err
}

var _ = []any{readmeLead, readmeGuard, readmeHooks, readmePeers, readmeQuorum, readmeRounds}

func TestCodeOfTheREADMECompiles(t *testing.T) {
	t.Parallel()
	compiled, err := os.ReadFile("docs_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readFile(t, "README.md"), -1)
	require.Len(t, blocks, 6)
	for _, block := range blocks {
		assert.Contains(t, unindented(compiled), unindented(block[1]))
	}
}

func unindented(code []byte) string {
	lines := strings.Split(string(code), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

func TestDocumentedChecksAreThoseOfTheProbe(t *testing.T) {
	t.Parallel()
	report, err := s3lect.VerifyStorage(t.Context(), memory.New(), "leader.json")
	require.NoError(t, err)
	table := ""
	for _, check := range report.Checks {
		table += "| " + regexp.QuoteMeta(check.Name) + ` \|.*\n`
	}
	table = strings.ReplaceAll(table, "| ", `\| `)
	assert.Regexp(t, `(?m)^\|---\|---\|\n`+table+`\n`, string(readFile(t, "docs/providers.md")))
}

func TestLinksBetweenDocumentsResolve(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, document := range documents(t) {
		for _, match := range link.FindAllSubmatch(readFile(t, document), -1) {
			target := string(match[1])
			if strings.Contains(target, "://") {
				continue // the tests do not need the network
			}
			path, anchor, _ := strings.Cut(target, "#")
			if path == "" {
				path = filepath.Base(document)
			}
			path = filepath.Join(filepath.Dir(document), path)
			_, err := os.Stat(path)
			if assert.NoErrorf(t, err, "%s links to %s", document, target) && anchor != "" {
				assert.Containsf(t, anchors(t, path), anchor, "%s links to %s", document, target)
			}
		}
	}
}

// documents are all Markdown files but those of hidden directories.
func documents(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			list = append(list, path)
		}
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, list)
	return list
}

// anchors are the names by which a document's headings can be linked to.
func anchors(t *testing.T, document string) (list []string) {
	t.Helper()
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, match := range heading.FindAllSubmatch(readFile(t, document), -1) {
		name := dropped.ReplaceAllString(strings.ToLower(string(match[1])), "")
		list = append(list, strings.ReplaceAll(name, " ", "-"))
	}
	return list
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return data
}
