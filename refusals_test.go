package s3lect

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestRefusalIsToldOncePerSourceAndReasonAndAgainAfterAnHour(t *testing.T) {
	t.Parallel()
	logger, lines := newLogLines()
	clock := &testClock{}
	server := slog.NewLogLogger(&refusals{log: logger, now: clock.now}, slog.LevelWarn)
	refuse := func(source, err string) {
		for port := range 100 { // the words hold times that differ
			server.Printf("http: TLS handshake error from %s:%d: %s", source, 1000+port, fmt.Sprintf(err, port))
		}
	}
	expired := "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:%02dZ is after 2025-01-01T00:00:00Z"
	refuse("10.0.0.1", "tls: client didn't provide a certificate%.0d")
	refuse("10.0.0.1", expired)
	refuse("10.0.0.2", expired)
	refuse("[2001:db8::1]", "tls: failed to verify certificate: x509: certificate signed by unknown authority%.0d")
	told := lines.with("refused a client")
	assert.Len(t, told, 4)
	assert.Contains(t, told[0], "source=10.0.0.1 reason=\""+refusedNoCertificate)
	assert.Contains(t, told[1], "source=10.0.0.1 reason=\""+refusedExpired)
	assert.Contains(t, told[2], "source=10.0.0.2 reason=\""+refusedExpired)
	assert.Contains(t, told[3], "source=2001:db8::1 reason=\""+refusedAuthority)

	clock.advance(refusalsKept)
	refuse("10.0.0.2", expired)
	again := lines.with("still refusing a client")
	assert.Len(t, again, 1)
	assert.Contains(t, again[0], "source=10.0.0.2")
	assert.Contains(t, again[0], "times=100")
}

func TestConnectionsThatEndBeforeTheyBeginAreNoWarnings(t *testing.T) {
	t.Parallel()
	logger, lines := newLogLines()
	server := slog.NewLogLogger(&refusals{log: logger, now: time.Now}, slog.LevelWarn)
	for _, err := range []string{"EOF", "unexpected EOF", "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer", "read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout"} {
		server.Printf("http: TLS handshake error from 10.0.0.1:1: %s", err)
	}
	assert.Empty(t, lines.with("level=WARN"))
	assert.Len(t, lines.with("level=DEBUG"), 4)
}

func TestOtherWordsOfTheServerPassAsWarnings(t *testing.T) {
	t.Parallel()
	logger, lines := newLogLines()
	server := slog.NewLogLogger(&refusals{log: logger, now: time.Now}, slog.LevelWarn)
	server.Print("http: panic serving 10.0.0.1:1: boom\ngoroutine 1:")
	server.Print("http: panic serving 10.0.0.1:1: boom\ngoroutine 2:")
	assert.Len(t, lines.with("level=WARN"), 2)
	assert.Len(t, lines.with("boom"), 2)
}

func TestRefusalsOfManySourcesAreBounded(t *testing.T) {
	t.Parallel()
	logger, lines := newLogLines()
	clock := &testClock{}
	r := &refusals{log: logger, now: clock.now}
	flood := func() {
		for i := range 3 * maxRefusalKeys {
			r.refused(fmt.Sprintf("10.%d.%d.1:1", i/256, i%256), refusedPlain, "")
		}
	}
	flood()
	assert.Len(t, r.told, maxRefusalKeys)
	assert.Len(t, lines.with("refused a client"), maxRefusalKeys)
	assert.Len(t, lines.with("more clients are refused"), 1)
	clock.advance(refusalsKept)
	r.refused("192.168.0.1:1", refusedPlain, "")
	assert.Len(t, lines.with("192.168.0.1"), 1, "there is room again after an hour")
	assert.LessOrEqual(t, len(r.told), maxRefusalKeys)
}
