package redis_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
)

// deafAddress is that of somebody who takes connections and never says anything.
func deafAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

func TestEveryCallEndsWithItsContextWhateverHangs(t *testing.T) {
	t.Parallel()
	files := redisserver.NewFiles(t)
	for name, address := range map[string]func(t *testing.T) string{
		"greeting": func(t *testing.T) string { t.Helper(); return "redis://" + deafAddress(t) },
		"TLS handshake": func(t *testing.T) string {
			t.Helper()
			return "rediss://" + deafAddress(t) + "?ca_file=" + url.QueryEscape(files.CA)
		},
		"sentinels": func(t *testing.T) string { t.Helper(); return "redis://" + deafAddress(t) + "?master_name=m" },
		"two sentinels": func(t *testing.T) string {
			t.Helper()
			return "redis://" + deafAddress(t) + "?master_name=m&addr=" + deafAddress(t)
		},
		"cluster": func(t *testing.T) string {
			t.Helper()
			return "redis://" + deafAddress(t) + "?cluster=true&addr=" + deafAddress(t)
		},
		"connecting": func(t *testing.T) string { t.Helper(); return "redis://192.0.2.1:6379" },
		"stopped cluster": func(t *testing.T) string {
			t.Helper()
			c := redisserver.StartCluster(t)
			address := c.URL(nil)
			for _, n := range c.Nodes {
				n.Stall(t)
			}
			return address
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := address(t)
			if strings.Contains(a, "?") {
				a += "&timeout=3s"
			} else {
				a += "?timeout=3s"
			}
			s := open(t, a)
			for way, end := range map[string]func() (context.Context, context.CancelFunc){
				"deadline": func() (context.Context, context.CancelFunc) {
					return context.WithTimeout(t.Context(), 200*time.Millisecond)
				},
				"cancel": func() (context.Context, context.CancelFunc) {
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(200*time.Millisecond, cancel)
					return ctx, cancel
				},
			} {
				for call, do := range map[string]func(ctx context.Context) error{
					"Get":         func(ctx context.Context) error { _, _, err := s.Get(ctx, "k"); return err },
					"GetOrCreate": func(ctx context.Context) error { _, _, err := s.GetOrCreate(ctx, "k", nil, 0); return err },
					"List": func(ctx context.Context) (last error) {
						for _, err := range s.List(ctx, "") {
							last = err
						}
						return last
					},
				} {
					ctx, cancel := end()
					began := time.Now()
					err := do(ctx)
					took := time.Since(began)
					cancel()
					assert.Less(t, took, prompt, "%s, %s: %v", way, call, err)
					assert.Error(t, err)
				}
			}
		})
	}
}
