package consensus

import (
	"context"
	"reflect"
	"sync"

	"github.com/hashicorp/raft"
)

// await calls the engine, which knows no contexts, and waits for what it promises until ctx or the node ends. The
// goroutine that has called it goes on waiting after that, until the engine answers or has ended.
func (n *Node) await(ctx context.Context, call func() raft.Future) error {
	answer := make(chan error, 1)
	go func() {
		future := call()
		endWith(future, n.engineEnded)
		answer <- future.Error()
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.ending:
	}
	// What the engine knows when it ends is better than nothing.
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
	}
	return n.ended()
}

// endWith has a future end with the engine. Futures of the engine have an exported field for that, in a struct that is
// not, and the engine leaves it empty for entries of the log: those that wait for the state machine when the engine ends are
// never answered, and whoever waits for them waits for ever. A future without the field is left as it is.
func endWith(future raft.Future, ended chan struct{}) {
	value := reflect.ValueOf(future)
	if value.Kind() != reflect.Pointer || value.Elem().Kind() != reflect.Struct {
		return
	}
	value = value.Elem()
	index, known := endFields.Load(value.Type())
	if !known {
		index = endField(value.Type())
		endFields.Store(value.Type(), index)
	}
	if path, ok := index.([]int); ok && len(path) > 0 {
		if field := value.FieldByIndex(path); field.IsNil() {
			field.Set(reflect.ValueOf(ended))
		}
	}
}

// endFields has where the field is in the types that have been seen: to find it costs as much as all else that is done
// for a command.
var endFields sync.Map

// endField returns nil for a type without the field.
func endField(t reflect.Type) []int {
	field, ok := t.FieldByName("ShutdownCh")
	if !ok || field.Type != reflect.TypeFor[chan struct{}]() {
		return nil
	}
	return field.Index
}
