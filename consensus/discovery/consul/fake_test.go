package consul

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAgent answers as the agent of Consul did whose exchanges are in testdata; TestFakeAnswersAsRecorded holds it to them. It
// knows what the discovery uses and nothing else.
type fakeAgent struct {
	*httptest.Server

	mu        sync.Mutex
	index     uint64
	changed   chan struct{} // closed by the next change
	instances map[string]*fakeInstance
	requests  []string // methods and paths
}

type fakeInstance struct {
	service
	Tags    []string
	passing bool
	expiry  *time.Timer // nil without a check
}

func newFakeAgent(t *testing.T) *fakeAgent {
	t.Helper()
	f := &fakeAgent{index: 12, changed: make(chan struct{}), instances: map[string]*fakeInstance{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.CloseClientConnections() // and with them the queries that wait
		f.Close()
		f.forget()
	})
	return f
}

func (f *fakeAgent) address() string { return strings.TrimPrefix(f.URL, "http://") }

func (f *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.mu.Unlock()
	w.Header().Set("X-Consul-Default-Acl-Policy", "allow")
	path := r.URL.Path
	if id, is := strings.CutPrefix(path, "/v1/health/service/"); is {
		f.health(w, r, id)
	} else if path == "/v1/agent/service/register" {
		f.register(w, r)
	} else if id, is := strings.CutPrefix(path, "/v1/agent/check/update/"); is {
		f.update(w, id)
	} else if id, is := strings.CutPrefix(path, "/v1/agent/service/deregister/"); is {
		f.deregister(w, id)
	} else {
		http.NotFound(w, r)
	}
}

func refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprint(w, text)
}

// change is called with the lock held.
func (f *fakeAgent) change() {
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeAgent) register(w http.ResponseWriter, r *http.Request) {
	var s struct {
		service
		Tags  []string
		Check *check
	}
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		refuse(w, http.StatusBadRequest, "Request decode failed: "+err.Error())
		return
	}
	for key := range s.Meta {
		if strings.ContainsAny(key, " ./:") {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("Invalid Service Meta: Couldn't load metadata pair ('%s', '%s'): Key contains invalid characters",
				key, s.Meta[key]))
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	instance := &fakeInstance{service: s.service, Tags: s.Tags, passing: true}
	old := f.instances[s.ID]
	if old != nil && old.expiry != nil {
		old.expiry.Stop()
	}
	if s.Check != nil {
		instance.Check = *s.Check
		instance.passing = s.Check.Status == "passing"
		ttl, _ := time.ParseDuration(s.Check.TTL)
		instance.expiry = time.AfterFunc(ttl, func() { f.expire(instance) })
	}
	f.instances[s.ID] = instance
	if old == nil || !old.same(instance) {
		f.change()
	}
	w.Header().Set("Content-Type", "application/json")
}

// same says whether two instances look the same in the list, which does not show when a check has to be confirmed.
func (i *fakeInstance) same(other *fakeInstance) bool {
	return i.Address == other.Address && i.Port == other.Port && i.passing == other.passing && maps.Equal(i.Meta, other.Meta)
}

func (f *fakeAgent) expire(instance *fakeInstance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	instance.passing = false
	f.change()
}

func (f *fakeAgent) update(w http.ResponseWriter, checkID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	instance := f.instances[strings.TrimPrefix(checkID, "service:")]
	if instance == nil || instance.expiry == nil {
		refuse(w, http.StatusNotFound, fmt.Sprintf("Unknown check ID %q. Ensure that the check ID is passed, not the check name.", checkID))
		return
	}
	ttl, _ := time.ParseDuration(instance.Check.TTL)
	instance.expiry.Reset(ttl)
	if !instance.passing {
		instance.passing = true
		f.change()
	}
	w.Header().Set("Content-Type", "application/json")
}

func (f *fakeAgent) deregister(w http.ResponseWriter, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.instances[id] == nil {
		refuse(w, http.StatusNotFound, fmt.Sprintf("Unknown service ID %q. Ensure that the service ID is passed, not the service name.", id))
		return
	}
	f.drop(id)
	w.Header().Set("Content-Type", "application/json")
}

// drop is called with the lock held.
func (f *fakeAgent) drop(id string) {
	if timer := f.instances[id].expiry; timer != nil {
		timer.Stop()
	}
	delete(f.instances, id)
	f.change()
}

// forget is what an agent without a data directory does when it starts anew.
func (f *fakeAgent) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.instances {
		f.drop(id)
	}
}

func (f *fakeAgent) health(w http.ResponseWriter, r *http.Request, name string) {
	query := r.URL.Query()
	if dc := query.Get("dc"); dc != "" && dc != "dc1" {
		refuse(w, http.StatusInternalServerError, "No path to datacenter")
		return
	}
	body, index := f.wait(r, query, name)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Consul-Index", strconv.FormatUint(index, 10))
	w.Header().Set("X-Consul-Knownleader", "true")
	w.Header().Set("X-Consul-Lastcontact", "0")
	_, _ = w.Write(body)
}

// wait answers at once if the index is not the one that is asked with, and otherwise with the next change or when the time is up.
func (f *fakeAgent) wait(r *http.Request, query url.Values, name string) ([]byte, uint64) {
	last, _ := strconv.ParseUint(query.Get("index"), 10, 64)
	limit, err := time.ParseDuration(query.Get("wait"))
	if err != nil {
		limit = 5 * time.Minute
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for waiting := last > 0; ; {
		f.mu.Lock()
		index, changed := f.index, f.changed
		if index > last || !waiting {
			body := f.list(name)
			f.mu.Unlock()
			return body, index
		}
		f.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			waiting = false
		case <-r.Context().Done():
			waiting = false
		}
	}
}

// list is called with the lock held.
func (f *fakeAgent) list(name string) []byte {
	list := []any{}
	var ids []string
	for id, instance := range f.instances {
		if instance.Name == name && instance.passing {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	for _, id := range ids {
		instance := f.instances[id]
		tags := instance.Tags
		if tags == nil {
			tags = []string{}
		}
		list = append(list, map[string]any{
			"Node": map[string]any{"ID": "00000000-0000-0000-0000-000000000000", "Node": "agent", "Address": "127.0.0.1", "Datacenter": "dc1"},
			"Service": map[string]any{"ID": id, "Service": name, "Tags": tags, "Address": instance.Address, "Meta": instance.Meta,
				"Port": instance.Port},
		})
	}
	body, _ := json.MarshalIndent(list, "", "    ")
	return body
}
