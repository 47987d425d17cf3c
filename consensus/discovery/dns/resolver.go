package dns

import (
	"context"
	"net"
)

// newResolver returns Go's own resolver, asking server if it is not empty.
func newResolver(server string) *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		// Without it, a question that failed would be followed by one with the next search domain, and that one's answer taken.
		StrictErrors: true,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if server != "" {
				address = server
			}
			var dialer net.Dialer
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The resolver minds the deadline of its context and not its end: a server that does not answer would hold up
			// Stop. The context ends with this question, so that nothing is left behind.
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			return conn, nil
		},
	}
}
