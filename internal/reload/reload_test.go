package reload

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func quietLoader() Loader { return Loader{Log: slog.New(slog.DiscardHandler), Now: time.Now} }

func TestFileSystemThatHangsHoldsUpOneCallerOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heal := make(chan struct{})
		inspected := 0
		value, err := Load(quietLoader(), Source[int]{
			Parse: func([][]byte) (int, error) { return 1, nil },
			Inspect: func(int, time.Time) {
				if inspected++; inspected > 1 {
					<-heal
				}
			},
		})
		require.NoError(t, err)
		time.Sleep(Interval)
		go value.Get() // hangs
		synctest.Wait()
		assert.Equal(t, 1, value.Get())
		close(heal)
	})
}

func TestChangedFileMakesAnotherValueOnceASecond(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	write := func(text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
	write("one")
	synctest.Test(t, func(t *testing.T) {
		value, err := Load(quietLoader(), Source[string]{
			Names:  []string{name},
			Format: "a word",
			Parse: func(contents [][]byte) (string, error) {
				if len(contents[0]) == 0 {
					return "", errors.New("no word")
				}
				return string(contents[0]), nil
			},
		})
		require.NoError(t, err)
		write("two")
		assert.Equal(t, "one", value.Get(), "looked a moment ago")
		time.Sleep(Interval)
		assert.Equal(t, "two", value.Get())
		write("")
		time.Sleep(Interval)
		assert.Equal(t, "two", value.Get(), "what cannot be used changes nothing")
		require.NoError(t, os.Remove(name))
		time.Sleep(Interval)
		assert.Equal(t, "two", value.Get())
	})
}

func TestMissingFileIsAnErrorThatSaysWhatToName(t *testing.T) {
	t.Parallel()
	_, err := Load(quietLoader(), Source[int]{Names: []string{"/no/such/file"}, Format: "a word"})
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.EqualError(t, err, `cannot read "/no/such/file": no such file or directory; name a word that this process may read`)
}
