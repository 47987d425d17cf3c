package raftd

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-6dc909bb/s3lect/consensus/admin"
)

// knownHosts lets pass requests that are for an IP address, for localhost or for the host of the API's URL. The page of a site
// whose name has been made to stand for 127.0.0.1 is of the same origin for a browser, and would reach an API on
// a loopback address, which may have no other guard; but its requests have that name in them.
func knownHosts(apiURL string, next http.Handler) http.Handler {
	own := ""
	if u, err := url.Parse(apiURL); err == nil {
		own = u.Hostname()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host, _, err := net.SplitHostPort(req.Host)
		if err != nil {
			host = strings.Trim(req.Host, "[]")
		}
		if net.ParseIP(host) == nil && host != "localhost" && host != own {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(admin.Failure{
				Text: "without --token-file this API is asked as localhost, by an IP address or by the name in --api-url alone",
				Code: admin.CodeCrossSite,
			}) // or the client has gone
			return
		}
		next.ServeHTTP(w, req)
	})
}
