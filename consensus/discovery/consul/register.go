package consul

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

// service is what is written of an instance.
type service struct {
	ID      string
	Name    string
	Address string
	Port    int
	Meta    map[string]string
	Check   check
}

type check struct {
	Name                           string
	TTL                            string
	Status                         string
	DeregisterCriticalServiceAfter string
}

// registration is an instance of the service on the agent.
type registration struct {
	source *source
	id     string // of the instance
	node   discovery.Node
}

// instanceID is unique on an agent, which may have nodes of several clusters.
func (s *source) instanceID(node string) string { return s.options.Service + ":" + node }

func (s *source) Register(node discovery.Node) directory.Registration {
	return &registration{source: s, id: s.instanceID(node.ID), node: node}
}

// Keep registers the instance and confirms its check. It fails when the agent, restarted perhaps, knows nothing of the check,
// and registers both anew when it is called again.
func (r *registration) Keep(ctx context.Context, ok func()) error {
	if err := r.put(ctx, "/v1/agent/service/register", r.service()); err != nil {
		return err
	}
	ok()
	return r.confirm(ctx)
}

// confirm says every third of the TTL that the node is well, until that fails.
func (r *registration) confirm(ctx context.Context) error {
	for {
		directory.Pause(ctx, r.source.options.TTL/3)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.put(ctx, "/v1/agent/check/update/"+url.PathEscape("service:"+r.id), map[string]string{"Status": "passing"}); err != nil {
			return err
		}
	}
}

func (r *registration) Withdraw(ctx context.Context) error { return r.source.deregister(ctx, r.id) }

func (s *source) Remove(ctx context.Context, id string) error {
	return s.deregister(ctx, s.instanceID(id))
}

func (s *source) deregister(ctx context.Context, instance string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, _, err := s.do(ctx, http.MethodPut, "/v1/agent/service/deregister/"+url.PathEscape(instance), nil, nil)
	if unknown(err) {
		return nil
	}
	return err
}

func (r *registration) put(ctx context.Context, path string, body any) error {
	// Two attempts fit into the TTL.
	ctx, cancel := context.WithTimeout(ctx, min(requestTimeout, max(r.source.options.TTL/3, time.Second)))
	defer cancel()
	_, _, err := r.source.do(ctx, http.MethodPut, path, nil, body)
	return err
}

func (r *registration) service() service {
	meta := map[string]string{metaID: r.node.ID, metaVoter: strconv.FormatBool(r.node.Voter)}
	for key, value := range r.node.Tags {
		meta[metaTag+key] = value
	}
	return service{
		ID: r.id, Name: r.source.options.Service, Address: r.node.Address, Port: r.node.Port, Meta: meta,
		Check: check{
			Name:                           "node is running",
			TTL:                            r.source.options.TTL.String(),
			Status:                         "passing",
			DeregisterCriticalServiceAfter: r.source.options.ForgetAfter.String(),
		},
	}
}
