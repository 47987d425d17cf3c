package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
)

// roleVariable makes this test program play another part than running the tests.
const roleVariable = "S3LECT_DEMO_TEST_ROLE"

// TestMain lets the test program be a member, or a whole demo, as the command would be.
func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "member":
		err = beMember(newElector)
	case "liar":
		err = beMember(func(o MemberOptions, s s3lect.Storage) (candidate, error) {
			honest, err := newElector(o, s)
			return liar{honest}, err
		})
	case "broken":
		err = errors.New("this member never works")
	case "demo":
		err = Run(context.Background(), Options{
			Members: 3, Lease: busyLease, Out: os.Stdout, Err: os.Stderr,
			member: testProgram(honestly), tempDir: os.Args[1],
		})
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func beMember(build newCandidate) error {
	opts, err := ParseMember(os.Args[1:])
	if err != nil {
		return err
	}
	return runMember(opts, os.Stdin, os.Stdout, build)
}

// liar takes part like everybody, and claims to lead whenever it is asked.
type liar struct{ candidate }

func (liar) IsLeader() bool           { return true }
func (liar) Term() int64              { return 1 }
func (liar) Remaining() time.Duration { return time.Second }

// honestly gives every member the role of a member.
func honestly(string) string { return "member" }

// testProgram runs members with this test program, in the role that each is given.
func testProgram(role func(id string) string) func(MemberOptions) *exec.Cmd {
	return func(o MemberOptions) *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			panic(err)
		}
		cmd := exec.Command(self, o.Args()...)
		cmd.Env = append(os.Environ(), roleVariable+"="+role(o.ID))
		return cmd
	}
}

func TestMemberArgumentsSurviveTheCommandLine(t *testing.T) {
	o := MemberOptions{Dir: "/tmp/a b", ID: "alpha", Start: 2, Lease: 3 * time.Second, Interval: 500 * time.Millisecond, Peers: true, Quorum: 3}
	parsed, err := ParseMember(o.Args())
	require.NoError(t, err)
	require.Equal(t, o, parsed)
}

func TestBadMemberArgumentsAreNamed(t *testing.T) {
	for text, args := range map[string][]string{
		"wants 7 arguments and got 1": {"alpha"},
		`start number "x"`:            {"alpha", "x", "3s", "1s", "false", "0", "/tmp"},
		"lease: ":                     {"alpha", "1", "x", "1s", "false", "0", "/tmp"},
		"interval: ":                  {"alpha", "1", "3s", "x", "false", "0", "/tmp"},
		"peers: ":                     {"alpha", "1", "3s", "1s", "x", "0", "/tmp"},
		"quorum: ":                    {"alpha", "1", "3s", "1s", "false", "x", "/tmp"},
	} {
		_, err := ParseMember(args)
		require.ErrorContains(t, err, text)
	}
}
