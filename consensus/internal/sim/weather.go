package sim

import "time"

// Weather is what goes wrong. Probabilities are for each message, write or command; durations are upper bounds.
type Weather struct {
	Name string

	latency  time.Duration // of a message
	loss     float64
	slow     float64
	slowness time.Duration
	late     float64 // requests that arrive long after whoever sent them has given up
	lateness time.Duration

	sync   time.Duration // of a write to a disk
	stalls float64
	stall  time.Duration

	thinks   float64 // of a machine that applies a command
	thinking time.Duration

	troubles []trouble
	operator bool // members are added, promoted and removed
	handover bool // leadership is handed over
	pictures bool // snapshots all the time
	uneven   bool // each start of a node has an election time-out of its own
}

func fair(name string) Weather {
	return Weather{Name: name, latency: 3 * time.Millisecond, sync: time.Millisecond}
}

// Weathers are one for each kind of fault, and at the end everything at once.
func Weathers() []Weather {
	with := func(name string, change func(w *Weather)) Weather {
		w := fair(name)
		change(&w)
		return w
	}
	return []Weather{
		fair("calm"),
		with("cuts", func(w *Weather) {
			w.troubles = []trouble{halves, lonelyLeader, lonelyNode, bridge, minority, mute, deaf, oneWay}
		}),
		with("lonely-leader", func(w *Weather) { w.troubles = []trouble{lonelyLeader} }),
		with("minority", func(w *Weather) { w.troubles = []trouble{minority} }),
		with("loss", func(w *Weather) { w.loss = 0.1 }),
		with("slow-network", func(w *Weather) { w.slow, w.slowness = 0.2, 400*time.Millisecond }),
		with("slow-cuts", func(w *Weather) {
			w.slow, w.slowness = 0.3, 500*time.Millisecond
			w.troubles = []trouble{lonelyLeader, freezeLeader, crash}
		}),
		with("late-requests", func(w *Weather) {
			w.late, w.lateness = 0.01, 12*time.Second
			w.troubles, w.pictures = []trouble{lonelyLeader, lonelyNode, crash}, true
		}),
		with("crashes", func(w *Weather) { w.troubles = []trouble{crash, crash, crashAll, restart} }),
		with("forgetful", func(w *Weather) { w.troubles = []trouble{forgetful} }),
		with("slow-disks", func(w *Weather) { w.stalls, w.stall = 0.02, 700*time.Millisecond }),
		with("bad-disks", func(w *Weather) { w.troubles = []trouble{badDisk, crash} }),
		with("slow-machines", func(w *Weather) {
			w.thinks, w.thinking = 0.2, 100*time.Millisecond
			w.troubles, w.handover = []trouble{lonelyLeader}, true
		}),
		with("freezes", func(w *Weather) { w.troubles = []trouble{freezeLeader, freezeLeader, freezeNode} }),
		with("uneven", func(w *Weather) {
			w.uneven, w.handover = true, true
			w.troubles = []trouble{lonelyLeader, lonelyNode, crash, restart, freezeLeader, forgetful}
		}),
		with("members", func(w *Weather) { w.operator, w.troubles = true, []trouble{crash, lonelyNode, lonelyLeader} }),
		with("handovers", func(w *Weather) { w.handover, w.troubles = true, []trouble{lonelyLeader} }),
		with("snapshots", func(w *Weather) {
			w.pictures, w.troubles = true, []trouble{crash, lonelyNode, lonelyLeader, freezeNode}
		}),
		with("mixed", func(w *Weather) {
			w.loss, w.slow, w.slowness = 0.01, 0.02, 300*time.Millisecond
			w.late, w.lateness = 0.001, 12*time.Second
			w.stalls, w.stall = 0.005, 400*time.Millisecond
			w.thinks, w.thinking = 0.05, 40*time.Millisecond
			w.operator, w.handover = true, true
			w.troubles = []trouble{
				halves, lonelyLeader, lonelyNode, bridge, minority, mute, deaf, oneWay, crash, crash, crashAll, restart, forgetful,
				badDisk, freezeLeader, freezeNode,
			}
		}),
	}
}

// calmed is the weather with nothing that goes wrong by chance.
func (w Weather) calmed() Weather {
	calm := fair(w.Name)
	return calm
}
