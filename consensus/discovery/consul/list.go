package consul

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

// The metadata of an instance that make it a node.
const (
	metaID    = "node-id"
	metaVoter = "voter"
	metaTag   = "tag-" // and the tag's key
)

// errHidden says that the token does not show everything. Consul leaves out what it may not show, without an error.
var errHidden = errors.New("the token may not read all instances: it needs service:read and node:read, " +
	"and what it does not show may be there")

// instance is what is read of an instance.
type instance struct {
	Node    struct{ Address string }
	Service struct {
		ID      string
		Address string
		Port    int
		Meta    map[string]string
	}
}

func (s *source) List(ctx context.Context) ([]directory.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	entries, _, err := s.ask(ctx, url.Values{})
	return entries, err
}

// ask returns the list with its index.
func (s *source) ask(ctx context.Context, query url.Values) ([]directory.Entry, uint64, error) {
	query.Set("passing", "true")
	if s.options.Datacenter != "" {
		query.Set("dc", s.options.Datacenter)
	}
	header, body, err := s.do(ctx, http.MethodGet, "/v1/health/service/"+url.PathEscape(s.options.Service), query, nil)
	if err != nil {
		return nil, 0, err
	}
	var instances []instance
	if err := json.Unmarshal(body, &instances); err != nil {
		return nil, 0, fmt.Errorf("answer is not a list of instances: %w", err)
	}
	if instances == nil {
		return nil, 0, errors.New("answer is not a list of instances")
	}
	index, err := strconv.ParseUint(header.Get("X-Consul-Index"), 10, 64)
	if err != nil {
		return nil, 0, errors.New("answer has no X-Consul-Index: is this an agent of Consul?")
	}
	if s.hidden(header, len(instances)) {
		return nil, 0, errHidden
	}
	entries := make([]directory.Entry, 0, len(instances))
	for i := range instances {
		entries = append(entries, instances[i].entry())
	}
	return entries, index, nil
}

// hidden says whether there may be instances that are not shown. Without a token Consul does not say so: where nothing is
// allowed that has not been granted, an empty list is as good as none.
func (s *source) hidden(header http.Header, shown int) bool {
	return header.Get("X-Consul-Results-Filtered-By-ACLs") == "true" ||
		s.options.Token == "" && shown == 0 && header.Get("X-Consul-Default-ACL-Policy") == "deny"
}

func (i *instance) entry() directory.Entry {
	entry := directory.Entry{Name: fmt.Sprintf("instance %q", i.Service.ID)}
	id, named := i.Service.Meta[metaID]
	if !named {
		entry.Err = fmt.Errorf("it has no metadata %q", metaID)
		return entry
	}
	voter, err := strconv.ParseBool(cmp.Or(i.Service.Meta[metaVoter], "true"))
	if err != nil {
		entry.Err = fmt.Errorf("its metadata %q is %.20q, neither true nor false", metaVoter, i.Service.Meta[metaVoter])
		return entry
	}
	entry.Node = discovery.Node{
		ID:      id,
		Address: cmp.Or(i.Service.Address, i.Node.Address),
		Port:    i.Service.Port,
		Voter:   voter,
	}
	for key, value := range i.Service.Meta {
		if tag, is := strings.CutPrefix(key, metaTag); is {
			if entry.Node.Tags == nil {
				entry.Node.Tags = map[string]string{}
			}
			entry.Node.Tags[tag] = value
		}
	}
	return entry
}

// blocking is how long Consul may wait for a change before it answers. It adds up to a sixteenth.
const blocking = time.Minute

// Follow waits with blocking queries, after Consul's rules for them, and asks for the list itself without waiting: the answer
// to a query that waits can be the agent's own copy, and does not say what a token hides.
func (s *source) Follow(ctx context.Context, send func([]directory.Entry)) error {
	var (
		index uint64 = 1
		pace         = pace{rate: s.rate}
	)
	for ctx.Err() == nil {
		entries, err := s.List(ctx)
		if err != nil {
			return err
		}
		send(entries)
		next, err := s.wait(ctx, index)
		if err != nil {
			return err
		}
		index = following(index, next)
		pace.wait(ctx)
	}
	return ctx.Err()
}

// wait returns the index of the list as soon as it is not this one, or after a while.
func (s *source) wait(ctx context.Context, index uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout+blocking+blocking/16)
	defer cancel()
	_, next, err := s.ask(ctx, url.Values{"index": {strconv.FormatUint(index, 10)}, "wait": {blocking.String()}})
	return next, err
}

// following returns the index to wait for after an answer with the index next: 1, with which everything is new, when it went
// backwards, as after a restored snapshot. It is never 0, which would not wait.
func following(last, next uint64) uint64 {
	if next < last {
		return 1
	}
	return max(next, 1)
}

// refill is the time after which one more question may be asked at once.
const refill = time.Second

// pace lets two questions pass at once, and then one per rate, so that a list that changes all the time, or an index that
// does not wait, is no load.
type pace struct {
	rate time.Duration
	next time.Time // when the next question would be due if they came at the rate
}

func (p *pace) wait(ctx context.Context) {
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(p.rate)
	if ahead := p.next.Sub(now) - 2*p.rate; ahead > 0 {
		directory.Pause(ctx, ahead)
	}
}
