package s3lect

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/seed-6dc909bb/s3lect/internal/reload"
)

type clientCheckKey struct{}

// withClientCheck is the ConnContext hook.
func withClientCheck(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, clientCheckKey{}, &reload.ClientCheck{})
}

// checkClient verifies the client's certificate once more, if anything has changed since that was
// last done. Where no client certificates are required, there is nothing to check.
func (h *HealthServer) checkClient(req *http.Request) error {
	if h.clients == nil {
		return nil
	}
	check, ok := req.Context().Value(clientCheckKey{}).(*reload.ClientCheck)
	if !ok || req.TLS == nil || len(req.TLS.VerifiedChains) == 0 {
		return errors.New("client didn't provide a certificate")
	}
	return check.Verify(req.TLS.PeerCertificates, h.clients.Get(), h.now())
}
