package storagetest

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-6dc909bb/s3lect"
)

const (
	raceRounds = 20
	racers     = 16
)

func raceToCreate(p *probe) error {
	for round := range raceRounds {
		if err := p.race(p.key(fmt.Sprintf("race-%d", round)), ""); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

func raceToReplace(p *probe) error {
	key := p.key("race")
	etag, err := p.create(key, "start")
	for round := 0; err == nil && round < raceRounds; round++ {
		if err := p.race(key, etag); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		_, etag, err = p.get(key)
	}
	return err
}

// race lets many writers write on one condition. At most one may succeed; the others may also be
// told that their outcome is unknown, and then one of them may have won.
func (p *probe) race(key, etag string) error {
	var mu sync.Mutex
	var winners, unknown []string
	err := together(racers, func(i int) error {
		data := fmt.Sprintf("racer %d after %s", i, etag)
		err := p.storage.PutIfMatch(p.ctx, key, []byte(data), etag)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			winners = append(winners, data)
		case !errors.Is(err, s3lect.ErrStoragePrecondition):
			unknown = append(unknown, data)
		}
		return p.ctx.Err()
	})
	if err != nil {
		return err
	}
	data, _, err := p.get(key)
	if err != nil {
		return fmt.Errorf("read after the race: %w", err)
	}
	switch {
	case len(winners) > 1:
		return fmt.Errorf("%d of %d racers were told that they had won", len(winners), racers)
	case len(winners) == 1 && string(data) != winners[0]:
		return fmt.Errorf("one racer was told that it had won with %q, but the object is %s", winners[0], abbreviate(data))
	case len(winners) == 0 && len(unknown) == 0:
		return errors.New("all racers were told that they had lost")
	}
	return nil
}

const (
	counters   = 8
	increments = 10
	maxLosses  = 2000 // of one counter, before it gives up
)

// racedCounter counts writes whose outcome is unknown apart: they may have landed or not.
func racedCounter(p *probe) error {
	key := p.key("counter")
	if _, err := p.create(key, "0"); err != nil {
		return err
	}
	var confirmed, unknown atomic.Int64
	err := together(counters, func(int) error {
		losses := 0
		for done := 0; done < increments; {
			switch err := p.increment(key); {
			case err == nil:
				confirmed.Add(1)
				done++
			case p.ctx.Err() != nil || losses == maxLosses:
				return fmt.Errorf("increment: %w", err)
			case errors.Is(err, s3lect.ErrStoragePrecondition):
				losses++
			default:
				unknown.Add(1)
				losses++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	data, _, err := p.get(key)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return fmt.Errorf("the counter is %s", abbreviate(data))
	}
	if least, most := confirmed.Load(), confirmed.Load()+unknown.Load(); n < least || n > most {
		return fmt.Errorf("the counter is %d after %d confirmed increments and %d of unknown outcome", n, least, unknown.Load())
	}
	return nil
}

func (p *probe) increment(key string) error {
	data, etag, err := p.get(key)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(data))
	if err != nil {
		return err
	}
	return p.storage.PutIfMatch(p.ctx, key, []byte(strconv.Itoa(n+1)), etag)
}

const (
	tornVersions = 60
	tornReaders  = 4
)

// A reading is what one Get answered: an ETag, and the version that the body says it is.
type reading struct {
	etag    string
	version int
}

// tornReads has one writer, which thereby knows the ETag of each version, and readers that compare.
func tornReads(p *probe) error {
	key := p.key("torn")
	etag, err := p.create(key, versioned(0))
	if err != nil {
		return err
	}
	versions := map[string]int{etag: 0}
	writing, done := context.WithCancel(p.ctx)
	defer done()
	readings := make([][]reading, tornReaders)
	err = together(tornReaders+1, func(i int) (err error) {
		if i < tornReaders {
			readings[i], err = p.readVersions(writing, key)
			return err
		}
		defer done()
		for version := 1; version <= tornVersions; version++ {
			if etag, err = p.replace(key, versioned(version), etag); err != nil {
				return err
			}
			versions[etag] = version
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, list := range readings {
		for _, r := range list {
			version, known := versions[r.etag]
			switch {
			case !known:
				return fmt.Errorf("a read answered the ETag %s, which no version has", r.etag)
			case version > r.version:
				return fmt.Errorf("a read answered the ETag of version %d with the older body of version %d", version, r.version)
			case version < r.version && !p.tornReads:
				return fmt.Errorf("a read answered the ETag of version %d with the newer body of version %d", version, r.version)
			}
		}
	}
	return nil
}

func (p *probe) readVersions(writing context.Context, key string) (list []reading, err error) {
	for writing.Err() == nil {
		data, etag, err := p.get(key)
		if err != nil {
			return nil, fmt.Errorf("read while there are writes: %w", err)
		}
		version, err := versionOf(data)
		if err != nil {
			return nil, err
		}
		list = append(list, reading{etag, version})
	}
	return list, nil
}

// versioned returns a body whose length and bytes all depend on its version.
func versioned(version int) string {
	body := strings.Repeat(fmt.Sprintf("version %d ", version), 1+version*37%400)
	return fmt.Sprintf("%d %08x %s", version, crc32.ChecksumIEEE([]byte(body)), body)
}

func versionOf(data []byte) (int, error) {
	number, _, _ := strings.Cut(string(data), " ")
	version, err := strconv.Atoi(number)
	if err != nil || versioned(version) != string(data) {
		return 0, fmt.Errorf("a read answered a mixture or a part of versions: %s", abbreviate(data))
	}
	return version, nil
}

// independentKeys looks at the objects again when all writers have ended.
func independentKeys(p *probe) error {
	keys := make([]string, racers)
	for i := range keys {
		keys[i] = p.key(fmt.Sprintf("own-%d", i))
	}
	last := func(key string) string { return "last of " + key }
	err := together(racers, func(i int) error {
		etag, err := p.create(keys[i], keys[i])
		for n := 0; n < 3 && err == nil; n++ {
			etag, err = p.replace(keys[i], fmt.Sprint(keys[i], " ", n), etag)
		}
		if err == nil {
			_, err = p.replace(keys[i], last(keys[i]), etag)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := p.expect(key, last(key)); err != nil {
			return err
		}
	}
	return nil
}
