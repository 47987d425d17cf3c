package admin

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// Limits of connections to other nodes.
const (
	dialTimeout  = 3 * time.Second
	maxIdle      = time.Minute
	maxHeadBytes = 64 << 10 // of an answer
	// maxIdlePerNode is for how many requests at once connections are kept: with net/http's two, a follower that hands on the
	// requests of many would make a new one for most of them, and run out of ports.
	maxIdlePerNode = 256
)

// newSender returns an HTTP client that neither follows redirects nor waits long for a connection. How long an answer
// may take is up to the contexts of requests.
func newSender(tlsConfig *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:        tlsConfig.Clone(),
			TLSHandshakeTimeout:    dialTimeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    maxIdlePerNode,
			IdleConnTimeout:        maxIdle,
			MaxResponseHeaderBytes: maxHeadBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send does a request once. After an error, sent says whether it can have arrived. net/http itself sends a request
// again only where it is certain that the first one was not processed, as long as it has no Idempotency-Key.
func send(client *http.Client, req *http.Request) (response *http.Response, sent bool, err error) {
	var wrote atomic.Bool // the hook is called by another goroutine
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}
	response, err = client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	return response, wrote.Load(), err
}
