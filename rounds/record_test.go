package rounds

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARecordIsEncodedAsJSONWouldBe(t *testing.T) {
	every := make([]byte, 0, 128)
	for c := byte(' '); c <= '~'; c++ {
		if c != '<' && c != '>' && c != '&' { // which encoding/json escapes for the sake of HTML
			every = append(every, c)
		}
	}
	at := time.Date(2026, 11, 21, 8, 0, 0, 123_000_000, time.UTC)
	named := &Event{ID: string(every), Address: "fe80::1%eth0", At: at}
	for _, r := range []record{
		{State: State{System: "billing", Round: "08:00", Version: 1, Elected: named}},
		{State: State{System: "b", Round: "1", Version: 2, Elected: &Event{Address: `"\\`, At: at}, Completed: &Event{ID: "x", At: time.Time{}}}, Claim: "C"},
		{State: State{System: "b", Round: "1", Version: 1, Completed: &Event{Address: "<&>", At: at.Add(time.Nanosecond)}}},
	} {
		data := r.encode()
		if r.Completed == nil || r.Completed.Address != "<&>" {
			want, err := json.Marshal(r)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(data))
		}
		decoded, err := decode(place{r.System, r.Round, "k"}, data)
		require.NoError(t, err)
		assert.Equal(t, r, decoded)
	}
}
