package s3lect

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	refusalsKept   = time.Hour // before the same refusal is told again
	maxRefusalKeys = 1024
)

// refusals tells in the log which clients are refused and why: once per source and reason, however
// often they try. It is the writer below the ErrorLog of an http.Server, which is the only place
// where failed handshakes are told; what it does not recognise there passes as a warning.
type refusals struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex // guards what follows
	told map[refusal]*repetition
	full time.Time // when it was told that there are too many
}

type refusal struct{ source, reason string }

type repetition struct {
	since time.Time // when it was told last
	times int       // since then
}

// Reasons for a refusal.
const (
	refusedNoCertificate = "it showed no client certificate"
	refusedAuthority     = "its certificate is not of an authority that is trusted here"
	refusedExpired       = "its certificate has expired or is not valid yet"
	refusedUsage         = "its certificate is not made for clients"
	refusedCertificate   = "its certificate could not be verified"
	refusedVersion       = "it offers no TLS version from 1.2 up"
	refusedPlain         = "it speaks HTTP without TLS"
	refusedByClient      = "it refused this server's certificate: does it trust the authority, has the certificate expired, and is this address among its names?"
	refusedHandshake     = "the TLS handshake failed"
)

// wordings of crypto/tls and crypto/x509, by the reason they stand for. Should they change, the
// reason is told less exactly, in their own words.
var wordings = []struct{ text, reason string }{
	{"client didn't provide a certificate", refusedNoCertificate},
	{"certificate has expired or is not yet valid", refusedExpired},
	{"signed by unknown authority", refusedAuthority},
	{"incompatible key usage", refusedUsage},
	{"failed to verify certificate", refusedCertificate},
	{"offered only unsupported versions", refusedVersion},
	{"sent an HTTP request to an HTTPS server", refusedPlain},
	{"remote error: tls: bad certificate", refusedByClient},
	{"remote error: tls: unknown certificate", refusedByClient}, // or its authority
	{"remote error: tls: expired certificate", refusedByClient},
}

// lost are the words for connections that ended before they had said anything, as those of port
// scanners and of load balancers' checks do.
var lost = []string{"EOF", "connection reset by peer", "broken pipe", "i/o timeout", "context canceled", "use of closed network connection"}

var handshakeError = regexp.MustCompile(`^http: TLS handshake error from (\S+): ((?s:.*))$`)

// Handle takes one line of an http.Server's ErrorLog.
func (r *refusals) Handle(_ context.Context, record slog.Record) error {
	if match := handshakeError.FindStringSubmatch(record.Message); match == nil {
		r.log.Warn("leadership endpoint", "error", record.Message)
	} else if remote, err := match[1], match[2]; endsWithAny(err, lost) {
		r.log.Debug("a client went away during the TLS handshake", "remote", remote, "error", err)
	} else {
		r.refused(remote, reasonOf(err), err)
	}
	return nil
}

// Enabled is always true: the log behind has the last word.
func (r *refusals) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs and WithGroup are there to make it a slog.Handler; an ErrorLog has neither.
func (r *refusals) WithAttrs([]slog.Attr) slog.Handler { return r }

// WithGroup is like WithAttrs.
func (r *refusals) WithGroup(string) slog.Handler { return r }

// refused tells that the client at the address was refused, if that is news.
func (r *refusals) refused(remote, reason, detail string) {
	source, _, err := net.SplitHostPort(remote)
	if err != nil {
		source = remote
	}
	times, news, full := r.note(refusal{source, reason})
	switch {
	case full:
		r.log.Warn("more clients are refused than can be told one by one; no new ones are told for an hour", "sources", maxRefusalKeys)
	case news && times > 0:
		r.log.Warn("still refusing a client", "source", source, "reason", reason, "times", times, "error", detail)
	case news:
		r.log.Warn("refused a client; its next attempts are not told for an hour", "source", source, "reason", reason, "error", detail)
	}
}

// note counts a refusal. It is news if it was not told within the hour; times is how often it
// happened since. full says that there is no room for it, once per hour.
func (r *refusals) note(key refusal) (times int, news, full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if known := r.told[key]; known != nil {
		if known.times++; now.Sub(known.since) < refusalsKept {
			return 0, false, false
		}
		times = known.times
		*known = repetition{since: now}
		return times, true, false
	}
	if len(r.told) >= maxRefusalKeys {
		maps.DeleteFunc(r.told, func(_ refusal, known *repetition) bool {
			return now.Sub(known.since) >= refusalsKept
		})
	}
	if len(r.told) >= maxRefusalKeys {
		full = r.full.IsZero() || now.Sub(r.full) >= refusalsKept
		if full {
			r.full = now
		}
		return 0, false, full
	}
	if r.told == nil {
		r.told = map[refusal]*repetition{}
	}
	r.told[key] = &repetition{since: now}
	return 0, true, false
}

func reasonOf(err string) string {
	for _, wording := range wordings {
		if strings.Contains(err, wording.text) {
			return wording.reason
		}
	}
	return refusedHandshake
}

func endsWithAny(text string, endings []string) bool {
	for _, ending := range endings {
		if strings.HasSuffix(text, ending) {
			return true
		}
	}
	return false
}
