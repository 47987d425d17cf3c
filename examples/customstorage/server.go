package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// server is a key-value store over HTTP, as many companies have one of their own: GET and PUT, with
// an ETag for each version, and conditional PUTs.
type server struct {
	mu      sync.Mutex
	objects map[string]object
	writes  int
}

type object struct {
	data []byte
	etag string
}

func newServer() *server { return &server{objects: map[string]object{}} }

func (s *server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	key := req.URL.Query().Get("key")
	switch req.Method {
	case http.MethodGet:
		s.get(w, key)
	case http.MethodPut:
		data, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.put(w, req, key, data)
	default:
		http.Error(w, "only GET and PUT are answered here", http.StatusMethodNotAllowed)
	}
}

func (s *server) get(w http.ResponseWriter, key string) {
	s.mu.Lock()
	o, ok := s.objects[key]
	s.mu.Unlock()
	if !ok {
		w.Header().Set("X-Missing", "object") // unlike the 404 of a wrong URL
		http.Error(w, "no such object", http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", o.etag)
	_, _ = w.Write(o.data) // the client sees for itself if its answer is cut off
}

// put compares and replaces under one lock. Were it to check first and write later, two writers
// could both pass the check: that is what makes a storage unfit for elections.
func (s *server) put(w http.ResponseWriter, req *http.Request, key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current, exists := s.objects[key]
	if exists && req.Header.Get("If-None-Match") == "*" ||
		req.Header.Get("If-Match") != "" && req.Header.Get("If-Match") != current.etag {
		http.Error(w, "the object is in another version", http.StatusPreconditionFailed)
		return
	}
	s.writes++
	etag := fmt.Sprintf("%q", strconv.Itoa(s.writes))
	s.objects[key] = object{data, etag}
	w.Header().Set("ETag", etag)
}
