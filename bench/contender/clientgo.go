package contender

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

func clientGo() Contender {
	return Contender{
		Name: "client-go", Module: "k8s.io/client-go", Store: S3, Can: []arena.Need{arena.Statuses, arena.ETags, arena.Rates, arena.Offsets},
		About: "tools/leaderelection with a resource lock on the object, its ETag in the place of the resource version; RenewDeadline and RetryPeriod " +
			"in Kubernetes' proportions to the lease (10 s and 2 s to 15 s). Leads: between OnStartedLeading and OnStoppedLeading.",
		New: func(n *arena.Node, s Settings) (arena.Candidate, error) { return newClientGo(n, s, false), nil },
	}
}

func clientGoReleasing() Contender {
	c := clientGo()
	c.Name, c.About = "client-go, releasing", "The same with ReleaseOnCancel."
	c.New = func(n *arena.Node, s Settings) (arena.Candidate, error) { return newClientGo(n, s, true), nil }
	return c
}

type clientGoCandidate struct {
	loop

	lock     *objectLock
	settings Settings
	releases bool
	node     *arena.Node
	leads    atomic.Bool
	elector  atomic.Pointer[leaderelection.LeaderElector]
}

func newClientGo(n *arena.Node, s Settings, releases bool) *clientGoCandidate {
	// Kubernetes' client does not repeat what may have been carried out, either.
	lock := &objectLock{client: n.S3WithoutRetries(), node: n, settings: s, patience: n.Local(s.Lease * 5 / 15)}
	// Those of Kubernetes are a name and a random part, too, so that a restarted process is not taken for its predecessor.
	lock.identity = fmt.Sprintf("%s_%x", n.Name(), rand.Uint64()) //nolint:gosec // unique, not secret
	return &clientGoCandidate{lock: lock, settings: s, releases: releases, node: n}
}

// Question is the elector's IsLeader.
func (c *clientGoCandidate) Question() func() bool { return c.elector.Load().IsLeader }

func (c *clientGoCandidate) Leads() bool { return c.leads.Load() }

// Start contests.
func (c *clientGoCandidate) Start() error {
	c.begin(c.run)
	return nil
}

// run stands for election again when it has lost, which programs mostly do by being restarted.
func (c *clientGoCandidate) run(ctx context.Context) {
	ctx = klog.NewContext(ctx, logr.Discard())
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock:            c.lock,
			LeaseDuration:   c.node.Local(c.settings.Lease),
			RenewDeadline:   c.node.Local(c.settings.Lease * 10 / 15),
			RetryPeriod:     c.node.Local(c.settings.Lease * 2 / 15),
			ReleaseOnCancel: c.releases,
			Callbacks: leaderelection.LeaderCallbacks{
				// It is called on a goroutine of its own, which may come late.
				OnStartedLeading: func(ctx context.Context) {
					c.leads.Store(true)
					context.AfterFunc(ctx, func() { c.leads.Store(false) })
				},
				OnStoppedLeading: func() { c.leads.Store(false) },
			},
		})
		if err != nil {
			panic(err) // the settings are at fault
		}
		c.elector.Store(elector)
		elector.Run(ctx)
	}
}

// objectLock is a resource lock on an object of S3.
type objectLock struct {
	client   *s3.Client
	node     *arena.Node
	settings Settings
	identity string
	patience time.Duration // with a request, as NewFromKubeconfig sets it
	etag     string        // of what was last read or written; the elector calls one method at a time
}

var resource = schema.GroupResource{Resource: "object"}

func (l *objectLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	out, err := l.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(arena.Bucket), Key: &l.settings.Key})
	if err != nil {
		return nil, nil, translated(err, l.settings.Key)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("read the record: %w", err)
	}
	record := &resourcelock.LeaderElectionRecord{}
	if err := json.Unmarshal(data, record); err != nil {
		return nil, nil, fmt.Errorf("read the record: %w", err)
	}
	// Durations in the record count on the reader's clock. They are whole seconds; rounded up, a reader rather waits longer.
	record.LeaseDurationSeconds = int(math.Ceil(l.node.Local(time.Duration(record.LeaseDurationSeconds) * time.Second).Seconds()))
	l.etag = aws.ToString(out.ETag)
	return record, data, nil
}

func (l *objectLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.put(ctx, record, &s3.PutObjectInput{IfNoneMatch: aws.String("*")})
}

func (l *objectLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.put(ctx, record, &s3.PutObjectInput{IfMatch: &l.etag})
}

func (l *objectLock) put(ctx context.Context, record resourcelock.LeaderElectionRecord, in *s3.PutObjectInput) error {
	if record.HolderIdentity != "" { // it has put down its lease as measured by this node's clock
		record.LeaseDurationSeconds = int(l.settings.Lease.Seconds())
	}
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	in.Bucket, in.Key, in.Body = aws.String(arena.Bucket), &l.settings.Key, bytes.NewReader(data)
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	out, err := l.client.PutObject(ctx, in)
	if err != nil {
		return translated(err, l.settings.Key)
	}
	l.etag = aws.ToString(out.ETag)
	return nil
}

func (l *objectLock) RecordEvent(string) {}
func (l *objectLock) Identity() string   { return l.identity }
func (l *objectLock) Describe() string   { return l.settings.Key }

// translated gives S3's errors the types that Kubernetes' would have.
func translated(err error, key string) error {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return err
	}
	switch e.ErrorCode() {
	case "NoSuchKey":
		return apierrors.NewNotFound(resource, key)
	case "PreconditionFailed", "ConditionalRequestConflict":
		return apierrors.NewConflict(resource, key, err)
	default:
		return err
	}
}
