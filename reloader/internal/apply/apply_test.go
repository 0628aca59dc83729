package apply

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t)) })
}

func TestAGoodChangeIsVerifiedAndKept(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		defer r.stop()
		for _, content := range []string{"one", "two", "three"} {
			r.publish(content)
			r.wait()
			r.must(content, content, content)
		}
		r.mustSay(3, "reload verified")
		for range 10 { // looks without news
			r.poke()
			r.pass(time.Second)
		}
		if got := len(r.target.reloads); got != 3 {
			t.Errorf("%d reloads, want 3: nothing is done at steady state", got)
		}
	})
}

func TestWhatFailsIsRolledBackAndNotTriedAgain(t *testing.T) {
	for _, test := range []struct{ bad, stage string }{{"invalid", "stage=validate"}, {"unbindable", "stage=reload"}} {
		t.Run(test.stage, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.start()
				defer r.stop()
				r.publish("one")
				r.wait()
				r.publish(test.bad)
				r.wait()
				for range 10 {
					r.poke()
					r.pass(time.Second)
				}
				r.must("one", "one", "one")
				r.mustSay(1, "level=ERROR", "candidate refused", test.stage, "refused by the target")
				validated := len(r.target.validated)
				if validated != 2 {
					t.Errorf("%d validations, want 2", validated)
				}
				r.publish("fixed")
				r.wait()
				r.must("fixed", "fixed", "fixed")
				// Back to what failed: the content has changed, so it is tried.
				r.publish(test.bad)
				r.wait()
				r.must("fixed", "fixed", "fixed")
				r.mustSay(2, "candidate refused")
			})
		})
	}
}

func TestARefusalNeedsNoSecondReloadButSilenceDoes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.target.unknown = "silence"
		r.start()
		defer r.stop()
		r.publish("one")
		r.wait()
		r.publish("unbindable")
		r.wait()
		if got := r.target.times("one"); got != 1 {
			t.Errorf("%d reloads of one after a refusal, want 1: it never stopped running", got)
		}
		r.publish("silence")
		r.wait()
		if got := r.target.times("one"); got != 2 {
			t.Errorf("%d reloads of one after no verdict, want 2: nobody knows what runs", got)
		}
		r.must("one", "one", "one")
	})
}

func TestABurstEndsWithTheNewestAndFewReloads(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.target.cost = 100 * time.Millisecond
		r.start()
		defer r.stop()
		r.wait()
		started := time.Now()
		for i := range 200 {
			r.publish(fmt.Sprint("burst ", i))
			if i == 0 {
				r.pass(time.Millisecond)
				if len(r.target.reloads) != 1 {
					t.Error("the first change was not reloaded at once")
				}
			}
			r.pass(10 * time.Millisecond)
		}
		took := time.Since(started)
		r.wait()
		r.must("burst 199", "burst 199", "burst 199")
		if most := 2 + int(took/interval); len(r.target.reloads) > most {
			t.Errorf("%d reloads in %s, want at most %d", len(r.target.reloads), took, most)
		}
		entries, err := os.ReadDir(filepath.Join(r.live, ".generations"))
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 3 {
			t.Errorf("%d generations are kept, want at most 3", len(entries))
		}
	})
}

func TestReloadsKeepTheirDistanceWhateverFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var at []time.Time
		r.target.reload = func(string) { at = append(at, time.Now()) }
		r.start()
		defer r.stop()
		for i := range 50 {
			r.publish(fmt.Sprint([]string{"good ", "unbindable ", "invalid "}[i%3], i))
			r.pass(37 * time.Millisecond)
		}
		r.wait()
		for i := range at[1:] {
			if gap := at[i+1].Sub(at[i]); gap < interval {
				t.Errorf("reloads %d and %d are %s apart, want %s", i, i+1, gap, interval)
			}
		}
	})
}

func TestStopInTheMiddleOfAReloadPutsLiveBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.publish("one")
		r.wait()
		r.target.cost = time.Hour
		r.publish("two")
		r.pass(time.Second)
		r.must("two", "one", "one")
		r.stop()
		r.must("one", "one", "one")
		r.mustSay(0, "candidate refused")
	})
}

// block makes the next flips of the link name fail, until the returned function
// is called.
func (r *rig) block(name string) func() {
	r.t.Helper()
	inTheWay := filepath.Join(r.live, ".generations", ".link-"+name)
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o755); err != nil {
		r.t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(inTheWay); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestALiveDirectoryThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		defer r.stop()
		r.publish("one")
		r.wait()
		unblock := r.block("current")
		r.publish("two")
		r.wait()
		r.must("one", "one", "one")
		r.mustSay(1, "live cannot be written", "attempt=1\n")
		unblock()
		r.wait()
		r.must("two", "two", "two")
		r.mustSay(1, "live can be written again")
	})
}

func TestARollBackThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		defer r.stop()
		r.publish("one")
		r.wait()
		unblock := func() {}
		r.target.reload = func(string) { unblock = r.block("current") }
		r.publish("unbindable")
		r.wait()
		r.must("unbindable", "one", "one")
		r.mustSay(1, "candidate refused")
		r.target.reload = nil
		unblock()
		r.wait()
		r.must("one", "one", "one")
		r.mustSay(1, "candidate refused")
	})
}

func TestALastGoodThatCannotBeWrittenNeedsNoSecondReload(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		defer r.stop()
		r.publish("one")
		r.wait()
		unblock := func() {}
		r.target.reload = func(string) { unblock = r.block(LastGood) }
		r.publish("two")
		r.wait()
		r.must("two", "one", "two")
		unblock()
		r.wait()
		r.must("two", "two", "two")
		if got := r.target.times("two"); got != 1 {
			t.Errorf("%d reloads, want 1", got)
		}
	})
}
