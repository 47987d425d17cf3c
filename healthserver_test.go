package s3lect

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/reload"
)

func TestHealthServerServesOverTLSAndStops(t *testing.T) {
	cert, roots := selfSigned(t)
	e := &fakeElector{leads: true}
	h, err := NewHealthServer(HealthServerConfig{BindAddress: "127.0.0.1:0", Certificate: cert, Elector: e, Logger: quiet()})
	require.NoError(t, err)
	require.NoError(t, h.Start(t.Context()))
	require.ErrorIs(t, h.Start(t.Context()), ErrAlreadyStarted)

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(client.CloseIdleConnections)
	url := "https://" + h.Addr().String() + "/health/leadership"
	get := func() (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		answer, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return answer.StatusCode, answer.Body.Close()
	}
	status, err := get()
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)

	require.NoError(t, h.Stop(t.Context()))
	require.NoError(t, h.Stop(t.Context()))
	_, err = get()
	require.Error(t, err)
	require.NoError(t, h.Start(t.Context()), "it can be started again")
	require.NoError(t, h.Stop(t.Context()))
}

func TestHealthServerStopsWithItsContext(t *testing.T) {
	cert, _ := selfSigned(t)
	h, err := NewHealthServer(HealthServerConfig{BindAddress: "127.0.0.1:0", Certificate: cert, Elector: &fakeElector{}, Logger: quiet()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, h.Start(ctx))
	ended := h.serving.ended
	cancel()
	<-ended
	assert.Nil(t, h.Addr())
}

func TestHealthServerReportsWhatItCannotUse(t *testing.T) {
	cert, _ := selfSigned(t)
	for want, config := range map[string]HealthServerConfig{
		"Elector is required":     {BindAddress: ":0", Certificate: cert},
		"Certificate is required": {BindAddress: ":0", Elector: &fakeElector{}},
		"must be host:port":       {BindAddress: "nowhere", Certificate: cert, Elector: &fakeElector{}},
		"HealthServerConfig.Certificate needs a certificate and its":  {BindAddress: ":0", Certificate: tls.Certificate{Certificate: cert.Certificate}, Elector: &fakeElector{}},
		"HealthServerConfig.Certificate and CertFile with KeyFile ex": {BindAddress: ":0", Certificate: cert, CertFile: "a", Elector: &fakeElector{}},
		"HealthServerConfig.KeyFile is required":                      {BindAddress: ":0", CertFile: "a", Elector: &fakeElector{}},
		"HealthServerConfig.CertFile is required":                     {BindAddress: ":0", KeyFile: "a", Elector: &fakeElector{}},
		"HealthServerConfig.CertFile and KeyFile: cannot read \"nowh": {BindAddress: ":0", CertFile: "nowhere", KeyFile: "nowhere", Elector: &fakeElector{}},
		"HealthServerConfig.ClientCACert holds no PEM certificate":    {BindAddress: ":0", Certificate: cert, ClientCACert: []byte("x"), Elector: &fakeElector{}},
		"HealthServerConfig.ClientCAFile: cannot read \"nowhere\":":   {BindAddress: ":0", Certificate: cert, ClientCAFile: "nowhere", Elector: &fakeElector{}},
		"AllowHandover needs ClientCACert or ClientCAFile":            {BindAddress: ":0", Certificate: cert, AllowHandover: true, Elector: &fakeElector{}},
	} {
		_, err := NewHealthServer(config)
		require.ErrorContains(t, err, want)
	}

	var listen net.ListenConfig
	taken, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, taken.Close()) }()
	h, err := NewHealthServer(HealthServerConfig{BindAddress: taken.Addr().String(), Certificate: cert, Elector: &fakeElector{}})
	require.NoError(t, err)
	require.ErrorContains(t, h.Start(t.Context()), taken.Addr().String(), "the bind error is returned")
}

// bare is a fake that has been told nothing but who leads.
type bare struct{ *fakeElector }

func (bare) GetConfig() *ElectorConfig { return &ElectorConfig{ServerID: "fake"} }

func TestHealthServerOfAFakeWithoutDefaultsAnswersAtTheDefaultPath(t *testing.T) {
	cert, roots := selfSigned(t)
	h, err := NewHealthServer(HealthServerConfig{BindAddress: "127.0.0.1:0", Certificate: cert, Elector: bare{&fakeElector{leads: true}}, Logger: quiet()})
	require.NoError(t, err)
	require.NoError(t, h.Start(t.Context()))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(client.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.Addr().String()+DefaultPeerHealthPath, http.NoBody)
	require.NoError(t, err)
	answer, err := client.Do(req)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, answer.Body.Close())
	require.NoError(t, h.Stop(t.Context()))
}

func TestHealthServerKnowsNoOtherPaths(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server")}, time.Now)
	client := testClient(t, ca, nil)
	for _, path := range []string{"", "/", "/health", "/x", "/resign", "/transfer?to=b"} {
		answer, err := request(t, client, http.MethodPost, strings.TrimSuffix(url, DefaultPeerHealthPath)+path)
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, answer.StatusCode, path)
	}
	for _, path := range []string{"/", "/resign", "/transfer?to=b"} { // not allowed here
		answer, err := request(t, client, http.MethodPost, url+path)
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, answer.StatusCode, path)
	}
}

func TestRotatedCertificateIsShownToNewConnectionsAndOldOnesGoOn(t *testing.T) {
	t.Parallel()
	ca, clock := newTestCA(t, "ca"), &testClock{}
	files := newPairFiles(t, ca.issue(t, "first"))
	_, url := startHealthServer(t, HealthServerConfig{CertFile: files.cert, KeyFile: files.key}, clock.now)
	old, fresh := testClient(t, ca, nil), testClient(t, ca, nil)
	shown := func(client *http.Client) string {
		answer, err := request(t, client, http.MethodGet, url)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		assert.Equal(t, 2, answer.ProtoMajor)
		return answer.TLS.PeerCertificates[0].Subject.CommonName
	}
	assert.Equal(t, "first", shown(old))
	files.replace(t, ca.issue(t, "second"))
	clock.advance(reload.Interval)
	assert.Equal(t, "first", shown(old), "on its open connection")
	assert.Equal(t, "second", shown(fresh))
	replaceFile(t, files.key, []byte("-----BEGIN PRIV"))
	clock.advance(reload.Interval)
	assert.Equal(t, "second", shown(testClient(t, ca, nil)), "while the new files are broken")
}

// hammer asks over and over, each time on a new connection, as a client does that tries again.
func hammer(t *testing.T, client *http.Client, url string) {
	t.Helper()
	for range 20 {
		_, err := request(t, client, http.MethodGet, url)
		client.CloseIdleConnections()
		require.Error(t, err)
	}
}

func TestRefusedClientsAreLoggedOnceEach(t *testing.T) {
	t.Parallel()
	ca, other := newTestCA(t, "ca"), newTestCA(t, "other")
	log, lines := newLogLines()
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server"), ClientCACert: ca.pem, Logger: log}, time.Now)
	good, stranger, expired := ca.issue(t, "good"), other.issue(t, "stranger"), ca.issue(t, "expired", lasting(-time.Minute))
	serverOnly := ca.issue(t, "server only", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })

	for reason, client := range map[string]*http.Client{
		refusedNoCertificate: testClient(t, ca, nil),
		refusedAuthority:     testClient(t, ca, &stranger),
		refusedExpired:       testClient(t, ca, &expired),
		refusedUsage:         testClient(t, ca, &serverOnly),
		refusedByClient:      testClient(t, other, &good),
		refusedVersion: testClient(t, ca, &good, func(transport *http.Transport) {
			transport.TLSClientConfig.MinVersion, transport.TLSClientConfig.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}),
	} {
		hammer(t, client, url)
		lines.wait(t, reason)
	}
	answer, err := request(t, testClient(t, ca, nil), http.MethodGet, strings.Replace(url, "https:", "http:", 1))
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
	lines.wait(t, refusedPlain)

	answer, err = request(t, testClient(t, ca, &good), http.MethodGet, url)
	require.NoError(t, err, "a good client is served all the while")
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Len(t, lines.with("level=WARN"), 7, "one line for each reason")
	for _, line := range lines.with("level=WARN") {
		assert.Contains(t, line, "source=127.0.0.1 ")
	}
}

func TestClientWhoseCertificateEndsOnAnOpenConnectionIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Transport){"HTTP/2": func(*http.Transport) {}, "HTTP/1.1": onlyHTTP1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca, clock := newTestCA(t, "ca"), &testClock{}
			log, lines := newLogLines()
			_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server"), ClientCACert: ca.pem, Logger: log}, clock.now)
			short, long := ca.issue(t, "short", lasting(time.Hour)), ca.issue(t, "long", lasting(100*time.Hour))
			client := testClient(t, ca, &short, change)
			for range 2 {
				answer, err := request(t, client, http.MethodGet, url)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, answer.StatusCode)
				require.Equal(t, name == "HTTP/2", answer.ProtoMajor == 2)
			}
			clock.advance(2 * time.Hour)
			answer, err := request(t, client, http.MethodGet, url)
			require.NoError(t, err)
			assert.Equal(t, http.StatusForbidden, answer.StatusCode)
			assert.Contains(t, answer.body, "certificate is not valid any more")
			hammer(t, client, url) // on new connections, because that one was closed
			lines.wait(t, refusedExpired)
			assert.Len(t, lines.with(refusedExpired), 1)

			answer, err = request(t, testClient(t, ca, &long, change), http.MethodGet, url)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, answer.StatusCode)
		})
	}
}

func TestServerWhoseClientsStayConnectedWarnsBeforeItsCertificateEnds(t *testing.T) {
	t.Parallel()
	ca, clock := newTestCA(t, "ca"), &testClock{}
	log, lines := newLogLines()
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server", lasting(100*time.Hour)), ClientCACert: ca.pem, Logger: log}, clock.now)
	long := ca.issue(t, "long", lasting(1000*time.Hour))
	client := testClient(t, ca, &long)
	for _, passed := range []time.Duration{0, 80 * time.Hour} {
		assert.Empty(t, lines.with("expires soon"))
		clock.advance(passed)
		answer, err := request(t, client, http.MethodGet, url)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}
	assert.Len(t, lines.with("expires soon"), 1)
}

func TestReplacedClientAuthoritiesApplyToOpenConnections(t *testing.T) {
	t.Parallel()
	ca, next, clock := newTestCA(t, "ca"), newTestCA(t, "next"), &testClock{}
	file := newFile(t, ca.pem)
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server"), ClientCAFile: file}, clock.now)
	before, after := ca.issue(t, "before"), next.issue(t, "after")
	old, fresh := testClient(t, ca, &before), testClient(t, ca, &after)
	status := func(client *http.Client) int {
		answer, err := request(t, client, http.MethodGet, url)
		require.NoError(t, err)
		return answer.StatusCode
	}
	assert.Equal(t, http.StatusOK, status(old))
	hammer(t, fresh, url)

	replaceFile(t, file, slices.Concat(ca.pem, next.pem))
	clock.advance(reload.Interval)
	assert.Equal(t, http.StatusOK, status(old))
	assert.Equal(t, http.StatusOK, status(fresh))

	replaceFile(t, file, next.pem)
	clock.advance(reload.Interval)
	assert.Equal(t, http.StatusForbidden, status(old), "its authority has gone")
	assert.Equal(t, http.StatusOK, status(fresh))
	hammer(t, old, url)
}

func TestSessionsAreNotResumedPastTheVerification(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	cert := ca.issue(t, "client")
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server"), ClientCACert: ca.pem}, time.Now)
	client := testClient(t, ca, &cert, func(transport *http.Transport) {
		transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	})
	for range 2 {
		answer, err := request(t, client, http.MethodGet, url)
		require.NoError(t, err)
		assert.False(t, answer.TLS.DidResume)
		client.CloseIdleConnections()
	}
}

func TestOversizedHeadersAreRefused(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server")}, time.Now)
	for _, change := range []func(*http.Transport){func(*http.Transport) {}, onlyHTTP1} {
		client := testClient(t, ca, nil, change)
		req := question(t, url)
		req.Header.Set("X-Much", strings.Repeat("x", 4*maxServerHeader))
		answer, err := carry(client.Transport, req)
		if err == nil {
			assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
		}
	}
}

// waitingHandler answers when its request's context ends, and tells when it has begun.
func waitingHandler(begun chan<- struct{}) func(*HealthServer) {
	return func(h *HealthServer) {
		h.leadership = func(w http.ResponseWriter, req *http.Request) {
			begun <- struct{}{}
			<-req.Context().Done()
			http.Error(w, "not the leader", http.StatusNotFound)
		}
	}
}

func TestStopAnswersRequestsThatWaitAndEndsEverything(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Transport){"HTTP/2": func(*http.Transport) {}, "HTTP/1.1": onlyHTTP1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca, begun := newTestCA(t, "ca"), make(chan struct{})
			h, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server")}, time.Now, waitingHandler(begun))
			client := testClient(t, ca, nil, change)
			answers := make(chan int)
			for range 3 {
				req := question(t, url)
				go func() {
					answer, err := carry(client.Transport, req)
					if assert.NoError(t, err) {
						answers <- answer.StatusCode
					}
				}()
				<-begun
			}
			idle, err := net.Dial("tcp", h.Addr().String()) // says nothing, and is not waited for
			require.NoError(t, err)
			defer idle.Close()
			start := time.Now()
			require.NoError(t, h.Stop(t.Context()))
			assert.Less(t, time.Since(start), 4*time.Second)
			for range 3 {
				assert.Equal(t, http.StatusNotFound, <-answers)
			}
			_, err = request(t, client, http.MethodGet, url)
			require.Error(t, err)
			require.NoError(t, h.Start(t.Context()), "it can be started again")
		})
	}
}

// The following run in fake time, on a network in memory.

// startOnPipe starts a server, and returns a client for it.
func startOnPipe(ctx context.Context, t *testing.T, ca *testCA, begun func(*HealthServer)) (*HealthServer, *pipeNet) {
	t.Helper()
	h, err := newHealthServer(HealthServerConfig{BindAddress: ":1", Certificate: ca.issue(t, "server"), Elector: &fakeElector{leads: true}, Logger: quiet()}, time.Now)
	require.NoError(t, err)
	if begun != nil {
		begun(h)
	}
	network := newPipeNet()
	require.NoError(t, h.start(ctx, network.listen))
	return h, network
}

const pipeURL = "https://127.0.0.1:1" + DefaultPeerHealthPath

func TestContextOfStartDrainsWithinABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, release := newTestCA(t, "ca"), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		h, network := startOnPipe(ctx, t, ca, func(h *HealthServer) {
			h.leadership = func(http.ResponseWriter, *http.Request) { <-release }
		})
		client := testClient(t, ca, nil, func(transport *http.Transport) { transport.DialContext = network.dial })
		req, asked := question(t, pipeURL), make(chan error)
		go func() {
			_, err := carry(client.Transport, req)
			asked <- err
		}()
		synctest.Wait()
		begun, ended := time.Now(), h.serving.ended
		cancel()
		<-ended
		assert.Equal(t, serverDrainTimeout, time.Since(begun))
		require.Error(t, <-asked)
		require.NoError(t, h.Stop(t.Context()))
		close(release)
	})
}

func TestStopCutsOffWhatIsNotAnsweredInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, release := newTestCA(t, "ca"), make(chan struct{})
		h, network := startOnPipe(t.Context(), t, ca, func(h *HealthServer) {
			h.leadership = func(http.ResponseWriter, *http.Request) { <-release }
		})
		client := testClient(t, ca, nil, func(transport *http.Transport) { transport.DialContext = network.dial })
		req, asked := question(t, pipeURL), make(chan error)
		go func() {
			_, err := carry(client.Transport, req)
			asked <- err
		}()
		synctest.Wait()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.Stop(ctx), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(begun))
		require.Error(t, <-asked)
		assert.Nil(t, h.Addr())
		close(release)
	})
}

func TestStopDoesNotWaitForConnectionsThatAskNothing(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"http/1.1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ca := newTestCA(t, "ca")
				h, network := startOnPipe(t.Context(), t, ca, nil)
				for _, greet := range []bool{false, true} {
					conn, err := network.dial(t.Context(), "", "")
					require.NoError(t, err)
					if greet {
						shake(t, conn, ca, protocol)
					}
				}
				synctest.Wait()
				begun := time.Now()
				require.NoError(t, h.Stop(t.Context()))
				assert.Less(t, time.Since(begun), time.Second)
			})
		})
	}
}

func TestContextOfStartLeavesFollowersTheTimeToBeToldOfAResignation(t *testing.T) {
	t.Parallel()
	for _, resigns := range []time.Duration{time.Second, time.Hour} {
		t.Run(resigns.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ca := newTestCA(t, "ca")
				ctx, cancel := context.WithCancel(t.Context())
				h, network := startOnPipe(ctx, t, ca, func(h *HealthServer) {
					h.leadership = func(_ http.ResponseWriter, req *http.Request) {
						select {
						case <-time.After(resigns):
						case <-req.Context().Done():
						}
					}
				})
				client := testClient(t, ca, nil, func(transport *http.Transport) { transport.DialContext = network.dial })
				req, asked := question(t, pipeURL), make(chan error)
				go func() {
					_, err := carry(client.Transport, req)
					asked <- err
				}()
				synctest.Wait()
				begun, ended := time.Now(), h.serving.ended
				cancel()
				require.NoError(t, <-asked)
				assert.Equal(t, min(resigns, serverNewsTimeout), time.Since(begun))
				<-ended
				assert.Less(t, time.Since(begun), serverDrainTimeout)
			})
		})
	}
}

func TestLongPollOutlastsTheServersTimeoutsIfItMovesItsDeadlines(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Transport){"HTTP/2": func(*http.Transport) {}, "HTTP/1.1": onlyHTTP1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const poll = 40 * time.Minute
				moved := true
				ca := newTestCA(t, "ca")
				h, network := startOnPipe(t.Context(), t, ca, func(h *HealthServer) {
					h.leadership = func(w http.ResponseWriter, req *http.Request) {
						if moved {
							control, until := http.NewResponseController(w), time.Now().Add(poll+time.Second)
							assert.NoError(t, control.SetReadDeadline(until))
							assert.NoError(t, control.SetWriteDeadline(until))
						}
						select {
						case <-time.After(poll):
						case <-req.Context().Done():
						}
					}
				})
				client := testClient(t, ca, nil, change, func(transport *http.Transport) { transport.DialContext = network.dial })
				for range 3 { // on one connection
					begun := time.Now()
					answer, err := request(t, client, http.MethodGet, pipeURL)
					require.NoError(t, err)
					assert.Equal(t, http.StatusOK, answer.StatusCode)
					assert.Equal(t, poll, time.Since(begun))
				}
				moved = false
				_, err := request(t, client, http.MethodGet, pipeURL)
				require.Error(t, err, "without that the answer is lost")
				client.CloseIdleConnections()
				require.NoError(t, h.Stop(t.Context()))
			})
		})
	}
}

func TestFollowersWaitAtTheHealthServerForRenewalsAnHourApartAndForItsStop(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Transport){"HTTP/2": func(*http.Transport) {}, "HTTP/1.1": onlyHTTP1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const renewal = 40 * time.Minute
				ca := newTestCA(t, "ca")
				e := ledBy(t, newMemStorage(), func(c *ElectorConfig) {
					c.LeaderTimeout, c.FrequentInterval = time.Hour, renewal
				})
				h, network := startOnPipe(t.Context(), t, ca, func(h *HealthServer) {
					h.leadership = NewLeadershipHandler(e, quiet())
				})
				client := testClient(t, ca, nil, change, func(transport *http.Transport) { transport.DialContext = network.dial })
				now := getAnnouncement(t, client, pipeURL)
				poll := func() string {
					return fmt.Sprintf("%s?session=%s&after=%d", pipeURL, now.Session, now.Sequence)
				}
				now = getAnnouncement(t, client, poll()) // whatever is left of the first interval
				for range 3 {
					begun := time.Now()
					next := getAnnouncement(t, client, poll())
					assert.Equal(t, now.Sequence+1, next.Sequence)
					assert.InDelta(t, renewal, time.Since(begun), float64(time.Minute))
					now = next
				}

				answered := make(chan int)
				req := question(t, poll())
				go func() {
					answer, err := carry(client.Transport, req)
					if assert.NoError(t, err, "it is answered before the server ends") {
						answered <- answer.StatusCode
					}
				}()
				synctest.Wait()
				begun := time.Now()
				go func() { assert.NoError(t, h.Stop(t.Context())) }()
				assert.Equal(t, http.StatusOK, <-answered, "the leadership goes on")
				assert.Less(t, time.Since(begun), time.Second)
				client.CloseIdleConnections()
				require.NoError(t, h.Stop(t.Context()))
				require.NoError(t, e.Stop())
			})
		})
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		say   func(t *testing.T, conn net.Conn, ca *testCA) net.Conn
		limit time.Duration
	}{
		"no handshake": {func(_ *testing.T, conn net.Conn, _ *testCA) net.Conn { return conn }, serverHeaderTimeout},
		"no request": {func(t *testing.T, conn net.Conn, ca *testCA) net.Conn {
			t.Helper()
			return shake(t, conn, ca, "http/1.1")
		}, serverHeaderTimeout},
		"half a header": {func(t *testing.T, conn net.Conn, ca *testCA) net.Conn {
			t.Helper()
			secure := shake(t, conn, ca, "http/1.1")
			go func() {
				_, err := secure.Write([]byte("GET /health/leadership HTTP/1.1\r\n"))
				for err == nil {
					time.Sleep(time.Second)
					_, err = secure.Write([]byte("X-Drop: y\r\n"))
				}
			}()
			return secure
		}, serverHeaderTimeout},
		"no HTTP/2 preface": {func(t *testing.T, conn net.Conn, ca *testCA) net.Conn { t.Helper(); return shake(t, conn, ca, "h2") }, serverTimeout},
		"no answer to pings": {func(t *testing.T, conn net.Conn, ca *testCA) net.Conn {
			t.Helper()
			secure := shake(t, conn, ca, "h2")
			go func() {
				_, err := secure.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
				assert.NoError(t, err)
			}()
			return secure
		}, serverPingInterval + serverPingTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ca := newTestCA(t, "ca")
				h, network := startOnPipe(t.Context(), t, ca, nil)
				conn, err := network.dial(t.Context(), "", "")
				require.NoError(t, err)
				begun := time.Now()
				_, err = io.Copy(io.Discard, c.say(t, conn, ca))
				assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
				assert.Equal(t, c.limit, time.Since(begun))
				require.NoError(t, conn.Close())
				time.Sleep(time.Minute) // until the client has noticed
				require.NoError(t, h.Stop(t.Context()))
			})
		})
	}
}

func TestCrowdOfSilentConnectionsWaitsOutsideAndTheServerStillAnswersAndStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca := newTestCA(t, "ca")
		h, network := startOnPipe(t.Context(), t, ca, nil)
		var inside atomic.Int64
		crowd := func() {
			for range 2 * maxNewcomers {
				go func() {
					if conn, err := network.dial(t.Context(), "", ""); err == nil {
						inside.Add(1)
						_, _ = io.Copy(io.Discard, conn)
						inside.Add(-1)
						_ = conn.Close()
					}
				}()
			}
			synctest.Wait()
			assert.EqualValues(t, maxNewcomers, inside.Load())
		}
		crowd()
		client := testClient(t, ca, nil, func(transport *http.Transport) { transport.DialContext = network.dial })
		begun := time.Now()
		answer, err := request(t, client, http.MethodGet, pipeURL)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, answer.StatusCode)
		assert.LessOrEqual(t, time.Since(begun), 3*serverHeaderTimeout)

		time.Sleep(time.Minute)
		crowd()
		client.CloseIdleConnections()
		begun = time.Now()
		require.NoError(t, h.Stop(t.Context()))
		assert.Less(t, time.Since(begun), time.Second)
		synctest.Wait()
		assert.Zero(t, inside.Load())
	})
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Transport){"HTTP/2": func(*http.Transport) {}, "HTTP/1.1": onlyHTTP1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ca, dials := newTestCA(t, "ca"), 0
				h, network := startOnPipe(t.Context(), t, ca, nil)
				client := testClient(t, ca, nil, change, func(transport *http.Transport) {
					transport.DialContext = func(ctx context.Context, kind, addr string) (net.Conn, error) {
						dials++
						return network.dial(ctx, kind, addr)
					}
				})
				for _, pause := range []time.Duration{0, serverIdleTimeout - time.Second, serverIdleTimeout + 10*time.Second} {
					time.Sleep(pause)
					_, err := request(t, client, http.MethodGet, pipeURL)
					require.NoError(t, err)
					want := 1
					if pause > serverIdleTimeout {
						want = 2
					}
					assert.Equal(t, want, dials, pause)
				}
				client.CloseIdleConnections()
				require.NoError(t, h.Stop(t.Context()))
			})
		})
	}
}

// shake does the handshake on a connection.
func shake(t *testing.T, conn net.Conn, ca *testCA, protocol string) net.Conn {
	t.Helper()
	secure := tls.Client(conn, &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1", NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12})
	require.NoError(t, secure.HandshakeContext(t.Context()))
	require.Equal(t, protocol, secure.ConnectionState().NegotiatedProtocol)
	return secure
}

// selfSigned returns a certificate for 127.0.0.1 and a pool that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(48 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestCertificateForAnotherHostThanServerAddrIsWarnedOf(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	for addr, warnings := range map[string]int{"127.0.0.1:8443": 0, "node-a.example:8443": 1} {
		log, lines := newLogLines()
		e := newElector(t, newMemStorage(), "a", func(c *ElectorConfig) { c.PeerMode, c.ServerAddr = true, addr })
		startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "node"), Elector: e, Logger: log}, time.Now)
		assert.Len(t, lines.with("not good for the host"), warnings, addr)
	}
}
