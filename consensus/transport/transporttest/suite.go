// Package transporttest holds the tests that each transport passes. A transport of your own is tested with
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, transporttest.Suite{
//			New:   func(*testing.T) transport.Transport { return mine.New() },
//			Stall: time.Second,
//		})
//	}
package transporttest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// Timeout is the Config.Timeout that the tests use: long enough for a handshake on a busy machine.
const Timeout = 2 * time.Second

// soon bounds what takes no time, and may take some on a busy machine.
const soon = 20 * time.Second

// Suite is the transport to be tested.
type Suite struct {
	// New returns a transport for one test. Endpoints that it opens reach each other.
	New func(t *testing.T) transport.Transport
	// Stall is how long the transport lets a snapshot stand still.
	Stall time.Duration
	// Bubble says that the transport has no sockets: it is tested in bubbles of testing/synctest, and what is about
	// sockets, strangers and certificates is left out.
	Bubble bool
}

// Run runs all tests.
func Run(t *testing.T, s Suite) {
	t.Helper()
	s.run(t, "EveryMessageArrivesWithAllItsFields", everyMessageArrives)
	s.run(t, "NilAndEmptyAreToldApart", nilAndEmpty)
	s.run(t, "TheEngineSErrorComesBack", engineError)
	s.run(t, "MessagesAreNotShared", notShared)
	s.run(t, "HeartbeatsOvertake", heartbeats)
	s.run(t, "HeartbeatsWithoutAHandlerAreRequests", heartbeatsWithoutHandler)

	s.run(t, "PipelineKeepsTheOrder", pipelineOrder)
	s.run(t, "PipelineHoldsBackItsSender", pipelineBackpressure)
	s.run(t, "PipelineThatNobodyReadsEndsItsSender", pipelineUnread)
	s.run(t, "PipelineFailsAsAWhole", pipelineFails)
	s.run(t, "PipelineClosesWithCallsInFlight", pipelineClose)

	s.run(t, "SnapshotArrivesWhole", snapshotArrives)
	s.run(t, "SnapshotThatIsRefusedIsRead", snapshotRefused)
	s.run(t, "SnapshotThatTakesLongToInstallPasses", snapshotSlowInstall)
	s.run(t, "SnapshotThatIsNeverInstalledEnds", snapshotNeverInstalled)
	s.run(t, "SnapshotToWhoStopsReadingEnds", snapshotUnread)
	s.run(t, "SnapshotFromWhoStopsSendingEnds", snapshotUnsent)
	s.run(t, "SnapshotThatIsCutShortIsAnError", snapshotShort)
	s.run(t, "SnapshotThatCannotBeReadIsAnError", snapshotUnreadable)

	s.run(t, "AStuckEngineEndsEveryCall", stuckEngine)
	s.run(t, "ALateAnswerIsNotTakenForAnother", lateAnswer)
	s.run(t, "AnAbsentPeerEndsEveryCall", absentPeer)
	s.run(t, "APeerThatComesBackIsReached", peerReturns)
	s.run(t, "APeerThatWasRestartedUnnoticedIsReached", peerRestarts)
	s.run(t, "CloseEndsCallsInFlight", closeInFlight)
	s.run(t, "CloseMayBeCalledTwice", closeTwice)
	s.run(t, "CallsAfterCloseFail", callsAfterClose)

	s.run(t, "TooLargeMessagesAreRefused", tooLarge)
	s.run(t, "AnotherClusterIsRefusedOnBothSides", anotherCluster)
	s.run(t, "AnotherNodeAtTheAddressIsRefusedOnBothSides", anotherNode)
	s.run(t, "NamesAreRequired", namesRequired)
	s.run(t, "AddressInUseIsNamed", addressInUse)
	s.run(t, "AClosedAddressIsFree", addressFree)
	s.run(t, "AdvertisedAddressIsTold", advertised)

	s.run(t, "ThreeNodesElectAndCommit", clusterCommits)
	s.run(t, "AStoppedLeaderIsReplaced", clusterSurvives)
	s.run(t, "AFollowerCatchesUpBySnapshot", clusterSnapshot)
	if s.Bubble {
		return
	}

	s.run(t, "AnUnreachableAddressIsRefused", unreachableAddress)
	s.run(t, "SnapshotIsStreamed", snapshotStreamed)
	s.run(t, "AFrozenPeerEndsEveryCall", frozenPeer)
	s.run(t, "AFrozenPeerThawsAndIsReached", thawedPeer)
	s.run(t, "AFrozenReceiverEndsASnapshot", frozenReceiver)
	s.run(t, "AFrozenSenderEndsASnapshot", frozenSender)
	s.run(t, "AFrozenInstallerEndsASnapshot", frozenInstaller)
	s.run(t, "GarbageIsRefused", garbage)
	s.run(t, "SilentStrangersDoNotDisturb", silentStrangers)

	s.run(t, "TLSCarriesEverything", tlsCarries)
	s.run(t, "TLSRefusesWhoShowsNoCertificate", tlsNoCertificate)
	s.run(t, "TLSRefusesAnotherAuthority", tlsAnotherAuthority)
	s.run(t, "TLSRefusesAnExpiredCertificate", tlsExpired)
	s.run(t, "TLSRefusesAServerOfAnotherName", tlsAnotherName)
	s.run(t, "TLSRefusesPlainText", tlsPlainClient)
	s.run(t, "PlainTextRefusesTLS", tlsPlainServer)
	s.run(t, "TLSWithoutAuthoritiesOrCertificateIsRefused", tlsIncomplete)
	s.run(t, "TLSCertificatesAreRenewed", tlsRenewed)
	s.run(t, "ThreeNodesElectAndCommitOverTLS", clusterCommitsTLS)
}

func (s Suite) run(t *testing.T, name string, test func(t *testing.T, f *fixture)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		if s.Bubble {
			synctest.Test(t, func(t *testing.T) { test(t, newFixture(t, s)) })
			return
		}
		t.Parallel()
		test(t, newFixture(t, s))
	})
}
