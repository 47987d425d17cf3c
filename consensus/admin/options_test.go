package admin

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOptionsThatCannotBeMeantAreRefusedByName(t *testing.T) {
	tokens := []string{token}
	for want, options := range map[string]Options{
		`Options.Prefix "raft"`:        {Prefix: "raft"},
		`Options.Prefix "/raft/"`:      {Prefix: "/raft/"},
		`Options.Prefix "/"`:           {Prefix: "/"},
		`Options.Prefix "/a//b"`:       {Prefix: "/a//b"},
		`Options.Prefix "//a"`:         {Prefix: "//a"},
		`Options.Prefix "/a?b"`:        {Prefix: "/a?b"},
		`Options.Prefix "/a#b"`:        {Prefix: "/a#b"},
		`Options.Prefix "/a b"`:        {Prefix: "/a b"},
		`Options.Prefix "/%61"`:        {Prefix: "/%61"},
		`Options.Prefix "http://a/b"`:  {Prefix: "http://a/b"},
		"Options.MaxBody -1":           {MaxBody: -1},
		"Options.Timeout -1s":          {Timeout: -time.Second},
		"Options.Gatherer need":        {Registerer: prometheus.NewRegistry()},
		"Options.Registerer and":       {Gatherer: prometheus.NewRegistry()},
		"Options.CheckCertificate":     {Tokens: tokens, CheckCertificate: func(*x509.Certificate) error { return nil }},
		"Options.Insecure contradicts": {Insecure: true, Tokens: tokens},
		"Options.GuardAll needs":       {GuardAll: true},
		"Options.ForwardTLS needs":     {ForwardTLS: &tls.Config{}},
		"token 2 of 2":                 {Tokens: []string{token, ""}},
		"token 1 of 1":                 {Tokens: []string{"with space"}},
	} {
		options.Logger = mute()
		_, err := newHandler(newFake(), options)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "with space")
	}
	_, err := newHandler(newFake(), Options{Insecure: true, ClientCertificates: true})
	require.ErrorContains(t, err, "Options.Insecure")
	_, err = newHandler(newFake(), Options{Insecure: true, GuardAll: true})
	require.ErrorContains(t, err, "Options.GuardAll")
}

func TestWithoutANodeThereIsNothingToServe(t *testing.T) {
	_, err := New(nil, Options{})
	require.ErrorContains(t, err, "nil")
}

func TestARegistryThatHasTheMetricsAlreadyIsAnError(t *testing.T) {
	registry := prometheus.NewRegistry()
	_, err := newHandler(newFake(), Options{Registerer: registry, Gatherer: registry})
	require.NoError(t, err)
	_, err = newHandler(newFake(), Options{Registerer: registry, Gatherer: registry})
	require.ErrorContains(t, err, "register metrics")
}

func TestNodesOfOneProcessCanShareARegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	for _, id := range []string{"n1", "n2"} {
		labelled := prometheus.WrapRegistererWith(prometheus.Labels{"node": id}, registry)
		_, err := newHandler(newFake(), Options{Registerer: labelled, Gatherer: registry})
		require.NoError(t, err)
	}
}
