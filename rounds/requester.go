package rounds

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	candidateHeader    = "X-Candidate-Id"
	candidateParameter = "candidate"

	// localAddress is who asks over a Unix socket.
	localAddress = "unix"

	// maxBody is far more than anybody needs for a request whose body is not looked at.
	maxBody = 4 << 10
)

// candidateOf returns who asks. One who names itself must do so in one way: half an identity would
// be another one, or none, and could win a round twice or lose it.
func candidateOf(req *http.Request) (Candidate, error) {
	candidate := Candidate{Address: addressOf(req.RemoteAddr)}
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return candidate, fmt.Errorf("the query cannot be read, and could contain an identity: %w", err)
	}
	inHeader, inQuery := req.Header.Values(candidateHeader), query[candidateParameter]
	given := slices.Concat(inHeader, inQuery)
	switch {
	case len(given) == 0:
		return candidate, nil
	case len(inHeader) > 1 || len(inQuery) > 1:
		return candidate, errors.New("the identity is given twice; give one, as " + candidateHeader + " or ?" + candidateParameter + "=")
	case given[0] != given[len(given)-1]:
		return candidate, errors.New(candidateHeader + " and ?" + candidateParameter + "= give different identities; give one")
	case given[0] == "":
		return candidate, errors.New("the identity is empty; give one, or none at all to be known by your address")
	}
	candidate.ID = given[0]
	return candidate, checkPrintable("candidate ID", candidate.ID)
}

// addressOf is the host of a remote address, without its port. An IPv6 address keeps its zone:
// without it, it can be that of two hosts. IPv4 has one form, however the socket wrote it.
func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote // a middleware's, for instance
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	if host == "" || strings.HasPrefix(host, "@") || strings.HasPrefix(host, "/") {
		return localAddress
	}
	return host
}

// discardBody reads a body that nobody needs, before anything has happened, so that one that is too
// large or does not end is refused.
func discardBody(w http.ResponseWriter, req *http.Request, until time.Time) *answer {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	tooLarge := func() *answer {
		return refuse(http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Errorf("the body has more than %d bytes; none is needed", maxBody)).
			with("Connection", "close")
	}
	if req.ContentLength > maxBody {
		return tooLarge()
	}
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(until) // where it cannot be set, the server's own limit holds
	size, err := io.Copy(io.Discard, io.LimitReader(req.Body, maxBody+1))
	var limit *http.MaxBytesError // a middleware's
	switch {
	case size > maxBody || errors.As(err, &limit):
		return tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, CodeSlowBody, errors.New("the body did not arrive in time; none is needed")).
			with("Connection", "close")
	case err != nil:
		return refuse(http.StatusBadRequest, CodeBadBody, fmt.Errorf("read the body: %w", err)).with("Connection", "close")
	}
	_ = connection.SetReadDeadline(time.Time{}) // it would end the request once it has passed
	return nil
}
