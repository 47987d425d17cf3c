package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// Collector is a prometheus.Collector of a node's own figures, for programs that have a registry and not this
// package's handler, which has one already.
type Collector struct{ node node }

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a collector of a node, which need not be started yet.
func NewCollector(n *consensus.Node) *Collector { return &Collector{n} }

const namespace = "s3lect_consensus"

func describeMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	descTerm         = describeMetric("term", "The term this node is in.")
	descCommitIndex  = describeMetric("commit_index", "The last entry that this node knows to be committed.")
	descAppliedIndex = describeMetric("applied_index", "The last entry that this node's state machine has applied.")
	descLogEntries   = describeMetric("log_entries", "Entries in this node's log.")
	descSnapshot     = describeMetric("snapshot_index", "The last entry in this node's newest snapshot; 0 if there is none.")
	descRole         = describeMetric("role", "1 for the role this node has, 0 for the others.", "role")
	descIsLeader     = describeMetric("is_leader", "Whether this node certainly leads.")
	descLeaderKnown  = describeMetric("leader_known", "Whether this node knows who leads.")
	descContact      = describeMetric("last_contact_seconds", "How long ago this node has heard of its leader; 0 on the leader, absent if it is not known.")
	descElections    = describeMetric("elections_won_total", "Elections that this node has won. The sum over all nodes is the number of changes of leader.")
	descApplied      = describeMetric("applied_commands_total", "Commands that this node's state machine has applied.")
	descFailed       = describeMetric("failed_commands_total", "Commands handed to this node that ended in an error.")
	descLatency      = describeMetric("apply_latency_mean_seconds", "Mean time of the commands handed to this node that succeeded.")
	descMembers      = describeMetric("members", "Members of the cluster.")
	descHealthy      = describeMetric("healthy_members", "Members this node has heard of lately. Only the leader hears of all.")

	descriptions = []*prometheus.Desc{
		descTerm, descCommitIndex, descAppliedIndex, descLogEntries, descSnapshot, descRole, descIsLeader, descLeaderKnown, descContact,
		descElections, descApplied, descFailed, descLatency, descMembers, descHealthy,
	}
	roles = []consensus.Role{
		consensus.RoleFollower, consensus.RoleCandidate, consensus.RoleLeader, consensus.RoleNonVoter, consensus.RoleStopped,
	}
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(all chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		all <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(all chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		all <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	count := func(d *prometheus.Desc, value uint64) {
		all <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value))
	}
	info, stats, role := c.node.GetClusterInfo(), c.node.GetStats(), c.node.GetRole()
	gauge(descTerm, float64(c.node.GetTerm()))
	gauge(descCommitIndex, float64(stats.CommitIndex))
	gauge(descAppliedIndex, float64(stats.LastApplied))
	gauge(descLogEntries, float64(stats.LogSize))
	gauge(descSnapshot, float64(stats.SnapshotIndex))
	for _, r := range roles {
		gauge(descRole, number(r == role), r.String())
	}
	gauge(descIsLeader, number(c.node.IsLeader()))
	gauge(descLeaderKnown, number(info.Leader != ""))
	if seconds, known := sinceContact(info); known {
		gauge(descContact, seconds)
	}
	count(descElections, stats.LeaderElections)
	count(descApplied, stats.AppliedOps)
	count(descFailed, stats.FailedOps)
	gauge(descLatency, stats.AvgApplyLatency.Seconds())
	gauge(descMembers, float64(info.ClusterSize))
	gauge(descHealthy, float64(info.HealthyNodes))
}

func sinceContact(info consensus.ClusterInfo) (seconds float64, known bool) {
	if info.Leader != "" && info.Leader == info.NodeID {
		return 0, true
	}
	for _, member := range info.Nodes {
		if member.ID == info.Leader && member.LastContact >= 0 {
			return member.LastContact.Seconds(), true
		}
	}
	return 0, false
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
