package measure

import (
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// Month is what figures per month are scaled to.
const Month = 30 * 24 * time.Hour

// What S3 Standard costs in us-east-1 by its list prices, in dollars for a thousand requests.
const (
	DollarsPerThousandWrites = 0.005
	DollarsPerThousandReads  = 0.0004
)

// Dollars is what a bucket's requests cost.
func Dollars(c arena.Counts) float64 {
	return float64(c.Writes)/1000*DollarsPerThousandWrites + float64(c.Reads)/1000*DollarsPerThousandReads
}

// Requests counts those of one leader and some followers, for so long, after everything has settled.
func Requests(c contender.Contender, s contender.Settings, followers int, window time.Duration, seed uint64) (arena.Counts, error) {
	f, err := enter(c, s, 1+followers, arena.Options{Seed: seed}, arena.Fault{})
	if err != nil {
		return arena.Counts{}, err
	}
	defer f.Close()
	if _, err := f.leader(); err != nil {
		return arena.Counts{}, err
	}
	time.Sleep(8 * s.Lease)
	before := f.Counts()
	time.Sleep(window)
	return f.Counts().Minus(before), nil
}
