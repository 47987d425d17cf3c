package admin

import "github.com/seed-6dc909bb/s3lect/consensus"

// sentinels are the codes of the consensus package's errors, the more telling ones first: an error may be several.
var sentinels = []struct {
	err  error
	code string
}{
	{consensus.ErrUnknownOutcome, CodeUnknownOutcome},
	{consensus.ErrStaleTerm, CodeStaleTerm},
	{consensus.ErrTooLarge, CodeCommandTooLarge},
	{consensus.ErrPeerExists, CodePeerExists},
	{consensus.ErrNodeNotFound, CodeNodeNotFound},
	{consensus.ErrInsufficientPeers, CodeInsufficientPeers},
	{consensus.ErrConfig, CodeBadRequest},
	{consensus.ErrMachineFailed, CodeMachineFailed},
	{consensus.ErrStorageUnavailable, CodeStorageUnavailable},
	{consensus.ErrLogInconsistent, CodeLogInconsistent},
	{consensus.ErrNotStarted, CodeStopped},
	{consensus.ErrNotLeader, CodeNotLeader},
	{consensus.ErrNoLeader, CodeNoLeader},
	{consensus.ErrNoQuorum, CodeNoQuorum},
	{consensus.ErrElectionTimeout, CodeElectionTimeout},
	{consensus.ErrSnapshotFailed, CodeSnapshotFailed},
}
