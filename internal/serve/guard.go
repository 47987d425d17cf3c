package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/bearer"
	"github.com/seed-6dc909bb/s3lect/internal/reload"
)

// weakToken is the length in characters below which a token is warned about.
const weakToken = 16

// guard knows who may ask.
type guard struct {
	tokens  *reload.Value[*bearer.Tokens]      // of nil: everybody may ask
	clients *reload.Value[*reload.Authorities] // nil: no certificates are asked for
}

func newGuard(load reload.Loader, options Options) (*guard, error) {
	g := &guard{}
	source := reload.Source[*bearer.Tokens]{
		Parse: func([][]byte) (*bearer.Tokens, error) { return bearer.New(nil) },
	}
	if file := options.TokenFile; file != "" {
		source = reload.Source[*bearer.Tokens]{
			Names:   []string{file},
			Format:  "a file with one token in each line",
			Parse:   func(contents [][]byte) (*bearer.Tokens, error) { return readTokens(file, contents[0], options.Log) },
			Inspect: inspectTokens(file, options.Log),
		}
	}
	var err error
	if g.tokens, err = reload.Load(load, source); err != nil {
		return nil, err
	}
	if options.ClientCAFile != "" {
		if g.clients, err = load.Authorities("", nil, "client CA", options.ClientCAFile); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func readTokens(file string, data []byte, log *slog.Logger) (*bearer.Tokens, error) {
	tokens, err := ParseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("%q %w", file, err)
	}
	for i, token := range tokens {
		if len(token) < weakToken {
			log.Warn("a token is short enough to be guessed: make it longer", "file", file, "token", i+1, "characters", len(token))
		}
	}
	return bearer.New(tokens)
}

// checkToken returns why the request may not be answered.
func (g *guard) checkToken(req *http.Request) error { return g.tokens.Get().Check(req) }

// ErrNoToken says that a file holds no token.
var ErrNoToken = errors.New("holds no token, which would let everybody in: write one token in a line")

// ParseTokens returns the tokens of a file: one in each line. Empty lines and those that begin with
// # do not count. Errors do not contain a token.
func ParseTokens(data []byte) ([]string, error) {
	var tokens []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("has a token in line %d that contains a space or something unprintable: write one token in a line, of printable ASCII characters", n)
		}
		tokens = append(tokens, line)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("is no file of tokens: %w", err)
	}
	if tokens == nil {
		return nil, ErrNoToken
	}
	return tokens, nil
}

// inspectTokens returns a function that warns once while everybody on the machine may read the file.
func inspectTokens(file string, log *slog.Logger) func(*bearer.Tokens, time.Time) {
	warned := false
	return func(*bearer.Tokens, time.Time) {
		info, err := os.Stat(file)
		open := err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0
		if open && !warned {
			log.Warn("everybody on this machine may open the file of tokens: restrict its permissions", "file", file, "permissions", info.Mode().Perm().String())
		}
		warned = open
	}
}

type clientCheckKey struct{}

// withClientCheck is the ConnContext hook.
func withClientCheck(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, clientCheckKey{}, &reload.ClientCheck{})
}

// checkClient verifies the client's certificate, also on a connection that is older than the present
// authorities.
func (g *guard) checkClient(req *http.Request) error {
	if g.clients == nil {
		return nil
	}
	check, ok := req.Context().Value(clientCheckKey{}).(*reload.ClientCheck)
	if !ok || req.TLS == nil || len(req.TLS.PeerCertificates) == 0 {
		return errors.New("a client certificate is needed")
	}
	if err := check.Verify(req.TLS.PeerCertificates, g.clients.Get(), time.Now()); err != nil {
		return errors.New("the client certificate is not accepted any more: connect again with another")
	}
	return nil
}
