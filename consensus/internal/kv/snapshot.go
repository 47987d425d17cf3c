package kv

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	iradix "github.com/hashicorp/go-immutable-radix"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// A snapshot is the line magic, the number of keys, and for each key, in order, its length, itself, the length of its
// value, the value, and the version. Numbers are unsigned varints of encoding/binary.
const magic = "s3lect key-value map 1\n"

// Snapshot keeps the map as it is, in no time; commands go on at once.
func (m *Machine) Snapshot() (*consensus.Snapshot, error) {
	tree := m.tree.Load()
	return &consensus.Snapshot{WriteTo: func(w io.Writer) error { return write(w, tree) }}, nil
}

func write(to io.Writer, tree *iradix.Tree) error {
	w := bufio.NewWriterSize(to, 1<<16) // it keeps the first error until Flush
	var number [binary.MaxVarintLen64]byte
	writeNumber := func(n uint64) { _, _ = w.Write(number[:binary.PutUvarint(number[:], n)]) }
	_, _ = w.WriteString(magic)
	writeNumber(uint64(tree.Len()))
	tree.Root().Walk(func(key []byte, value any) bool {
		found, _ := itemOf(value, true)
		writeNumber(uint64(len(key)))
		_, _ = w.Write(key)
		writeNumber(uint64(len(found.value)))
		_, err := w.WriteString(found.value)
		writeNumber(found.version)
		return err != nil
	})
	return w.Flush()
}

// Restore replaces the map. It leaves it as it was if the snapshot cannot be read to its end.
func (m *Machine) Restore(snapshot *consensus.Snapshot) error {
	tree, err := read(snapshot.Reader)
	if err != nil {
		return fmt.Errorf("read a snapshot of the key-value store: %w", err)
	}
	m.tree.Store(tree)
	return nil
}

func read(from io.Reader) (*iradix.Tree, error) {
	r := reader{from: bufio.NewReaderSize(from, 1<<16)}
	if began := r.bytes(uint64(len(magic))); r.err == nil && string(began) != magic {
		return nil, fmt.Errorf("it begins with %q instead of %q", began, magic)
	}
	keys := r.number()
	tree := iradix.New().Txn()
	for n := uint64(0); n < keys && r.err == nil; n++ {
		key := bytes.Clone(r.bytes(r.number())) // the tree keeps it
		value := string(r.bytes(r.number()))
		tree.Insert(key, item{value: value, version: r.number()})
	}
	r.end()
	if r.err != nil {
		return nil, r.err
	}
	return tree.Commit(), nil
}

// reader keeps the first error; what it returns after one is of no meaning.
type reader struct {
	from   *bufio.Reader
	buffer bytes.Buffer
	err    error
}

func (r *reader) number() uint64 {
	if r.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(r.from)
	r.fail(err)
	return n
}

// bytes are valid until the next call. A length that is wrong costs no more memory than there is data.
func (r *reader) bytes(length uint64) []byte {
	r.buffer.Reset()
	if r.err != nil {
		return nil
	}
	if int64(length) < 0 {
		r.err = fmt.Errorf("a length of %d", length)
		return nil
	}
	_, err := io.CopyN(&r.buffer, r.from, int64(length))
	r.fail(err)
	return r.buffer.Bytes()
}

func (r *reader) end() {
	if r.err != nil {
		return
	}
	if _, err := r.from.ReadByte(); err == nil {
		r.err = errors.New("it goes on behind the last key")
	} else if !errors.Is(err, io.EOF) {
		r.err = err
	}
}

func (r *reader) fail(err error) {
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("it ends too early: %w", io.ErrUnexpectedEOF)
	}
	r.err = err
}
