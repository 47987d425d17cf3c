// Package admin is the HTTP interface of a consensus node, and a client of it.
//
//	api, err := admin.New(node, admin.Options{Prefix: "/raft", Tokens: []string{token}})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/raft/", api)
//
// Everybody who reaches the server may look at the cluster: health, status, metrics, leader, members. Whoever wants
// to change something, or to read from the state machine, needs a bearer token or a verified client certificate.
// Without either of them configured nothing can be changed at all, unless [Options.Insecure] says so.
//
// What is asked and answered, with all status codes, is in docs/admin.md, and as OpenAPI in {prefix}/openapi.json.
package admin
