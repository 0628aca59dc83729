package apply

import (
	"testing"
	"time"
)

func TestFirstBootWithTheTargetAway(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.target.unchecked, r.target.away = true, true
		r.start()
		defer r.stop()
		r.wait()
		r.must("", "", "")
		r.publish("one")
		r.wait()
		r.must("one", "", "") // so that it can come up at all
		r.publish("two")
		r.wait()
		r.must("two", "", "")
		r.target.comeUp()
		r.wait()
		r.must("two", "two", "two")
		r.mustSay(1, "target is back")
		r.mustSay(1, "reload verified")
	})
}

func TestFirstBootOnABrokenSetIsMendedByTheNext(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.target.unchecked, r.target.away = true, true
		r.start()
		defer r.stop()
		r.publish("unbindable") // nobody can know; the target crashes on it
		r.wait()
		r.must("unbindable", "", "")
		r.publish("good")
		r.wait()
		r.target.comeUp()
		r.wait()
		r.must("good", "good", "good")
	})
}

func TestTargetAwayLater(t *testing.T) {
	for name, unchecked := range map[string]bool{"nothing to validate with": true, "validated by the binary": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.target.unchecked = unchecked
				r.start()
				defer r.stop()
				r.publish("one")
				r.wait()
				r.target.away = true
				r.publish("two")
				r.wait()
				if unchecked {
					r.must("one", "one", "one") // a restart must not meet what nobody has checked
				} else {
					r.must("two", "one", "one")
				}
				r.target.comeUp()
				r.wait()
				r.must("two", "two", "two")
				r.mustSay(0, "candidate refused")
			})
		})
	}
}

func TestAwayIsSaidOnceThenRarely(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.target.away = true
		r.start()
		defer r.stop()
		r.publish("one")
		r.pass(10 * time.Minute)
		if said := r.log.Count("target away"); said < 2 || said > 15 {
			t.Errorf("said %d times in 10 minutes, want the first and every tenth time", said)
		}
		r.target.comeUp()
		r.wait()
		r.mustSay(1, "target is back")
	})
}

func TestARestartInTheMiddleOfAReloadIsNoVerdict(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		defer r.stop()
		r.publish("one")
		r.wait()
		r.target.losing = "two"
		r.target.reload = func(content string) {
			if content == "two" && r.target.times("two") > 1 {
				r.target.losing = ""
			}
		}
		r.publish("two")
		r.wait()
		r.must("two", "two", "two")
		r.mustSay(0, "candidate refused")
	})
}

func TestFilesThatKillTheTargetAreRefusedTheSecondTime(t *testing.T) {
	for name, unchecked := range map[string]bool{"nothing to validate with": true, "validated by the binary": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.target.unchecked = unchecked
				r.start()
				defer r.stop()
				r.publish("one")
				r.wait()
				r.target.losing = "deadly"
				r.publish("deadly")
				r.wait()
				r.must("one", "one", "one")
				if got := r.target.times("deadly"); got != 2 {
					t.Errorf("tried %d times, want 2", got)
				}
				r.mustSay(1, "candidate refused", "target went away during the reload")
			})
		})
	}
}

func TestATargetThatGoesAwayOverAReload(t *testing.T) {
	for name, unchecked := range map[string]bool{"nothing to validate with": true, "validated by the binary": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.target.unchecked = unchecked
				r.start()
				defer r.stop()
				r.publish("one")
				r.wait()
				r.target.losing = "two"
				r.target.reload = func(string) { r.target.leave() }
				r.publish("two")
				r.wait()
				if unchecked {
					r.must("one", "one", "one")
				} else {
					r.must("two", "one", "one")
				}
			})
		})
	}
}

func TestATargetThatWasAwayIsAskedEvenWithoutNews(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.target.unchecked = true
		r.start()
		defer r.stop()
		r.publish("one")
		r.wait()
		r.target.away = true
		r.publish("two")
		r.wait()
		r.publish("one")
		r.wait()
		r.target.comeUp()
		r.target.runs = "something else"
		r.wait()
		r.must("one", "one", "one")
	})
}

func TestARefusalBeforeAnythingIsLastGoodGoesBackToWhatWasLive(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.target.unchecked, r.target.away = true, true
		r.start()
		defer r.stop()
		r.publish("one")
		r.wait()
		r.target.comeUp()
		r.publish("unbindable")
		r.wait()
		r.must("one", "one", "one")
	})
}
