// Package s3lect elects one leader among the replicas of a service, on the object storage they
// already have: one JSON object, replaced by conditional writes. There is no cluster to run.
//
//	storage, err := s3lect.OpenS3Storage(ctx, "s3://my-bucket/elections")
//	...
//	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
//		Config: &s3lect.ElectorConfig{
//			LockfilePath: "scheduler.json",
//			ServerID:     "replica-1",
//			ServerAddr:   "10.0.0.1:8443",
//		},
//		Storage: storage,
//	})
//	...
//	err = elector.Lead(ctx, func(ctx context.Context, term int64) error {
//		return runScheduler(ctx, term) // only here, and only until ctx ends
//	})
//
// # What is promised
//
// At any instant at most one process sees IsLeader() == true, provided that
//
//   - the storage's conditional write is linearizable ([Storage] has the contract, [VerifyStorage]
//     tries it on a live one);
//   - every process's clock runs within ±5 % of true time over one lease (clocks of different
//     machines are never compared, and may show any time they like);
//   - nobody deletes the object.
//
// Every leadership has a term. Terms only grow.
//
// If the storage answers and a candidate is healthy, there is a leader within 2 × LeaderTimeout of
// a crash, and within LeaderTimeout + FrequentInterval where InfrequentInterval is set to
// FrequentInterval; in peer mode within LeaderTimeout + detection, which takes no time where the
// connection to the leader breaks; a random wait and three storage round trips come on top.
//
// An object that is not a leader record is never overwritten.
//
// # What is not promised
//
// Mutual exclusion for code that ignores the context it was given and carries no term. A process
// can be paused at any point, also between asking IsLeader and acting on the answer, and act when
// it wakes up. Give the term to the resource that is acted on, and have it refuse a lower one than
// it has seen: this is a fencing token. Assumptions on clocks then no longer matter.
//
// # The trust window
//
// A write that is confirmed gives its sender trust until sent + 0.9 × lease, where sent is taken
// before the request leaves. Nothing else does. A follower takes over when it has seen the same
// version of the object for a whole lease, measured from the answer that first showed it. With
// clocks within 5 %, 0.9/0.95 of a lease has not passed when 1/1.05 of one has.
//
//	            renewal sent                      trust ends       lease ends
//	leader   ───────┼────────────────────────────────┤
//	follower           ├───────────── whole lease ──────────────────────┼─ claim
//	                version first seen
//
// # Peer mode
//
// With PeerMode, followers ask the leader over mutual TLS instead of reading the storage: a leader
// serves [NewLeadershipHandler], in a [HealthServer] or in a mux of the program. That saves reads
// and time, and safety never rests on it: a peer's word begins the follower's own observation of a
// version, and nothing else. Where no leader answers, the storage is read.
//
// # Observers and quorum
//
// With ObserverMetadata an elector is an observer: it tells the others that it is there, and
// [S3Elector.Observers] who they are. With QuorumSize nobody claims, and nobody leads on for longer
// than GracePeriod, while fewer members are active. A quorum can only end a leadership or withhold
// one; safety never rests on it. Members with NonVoting observe and never lead. Heartbeats go to the
// leader in peer mode, over mutual TLS, and to an object beside the leader record otherwise.
//
// # States
//
//	    ┌────────────────────────────────────────────┐
//	    ▼                                            │
//	follower ── vacant, resigned or lease over ──► claim ── confirmed ──► leader
//	    ▲                                                                   │
//	    └── released or lapsed ◄── work and hooks return ◄── ended ◄────────┘
package s3lect
