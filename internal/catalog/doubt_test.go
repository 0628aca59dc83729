package catalog_test

import (
	"errors"
	"testing"
	"time"
)

// A Consul that has just lost its state knows nothing until everybody has
// registered again.
func TestEmptyAnswerRightAfterTroubleDoesNotEmptyAnything(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		a := newThing("a", []string{"one", "two"})
		s.want(a)
		s.woken()
		a.change(func() { a.err = errors.New("connection refused") })
		after(10 * time.Second)
		a.change(func() { a.err, a.data, a.index = nil, []string{}, 2 })
		after(3 * time.Second)
		a.set([]string{"one"}, 3)
		after(3 * time.Second)
		if s.woken() {
			t.Error("a wake-up for an answer that is held back")
		}
		s.memory.mustBe(t, known{"a": []string{"one", "two"}})
		if n := s.log.Count("level=WARN", "answer held back", "query=a", "before=2"); n != 1 {
			t.Errorf("held back %d times in the log, want once", n)
		}
		a.set([]string{"one", "three"}, 4)
		if !s.woken() {
			t.Error("no wake-up for the complete answer")
		}
		s.memory.mustBe(t, known{"a": []string{"one", "three"}})
		a.set([]string{}, 5)
		s.woken()
		s.memory.mustBe(t, known{"a": []string{}}) // no trouble, no doubt
	})
}

func TestHeldAnswerIsAcceptedWhenGraceIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		a := newThing("a", []string{"one", "two"})
		s.want(a)
		s.woken()
		a.set([]string{"one"}, 3) // the index went backwards
		after(grace - time.Second)
		s.memory.mustBe(t, known{"a": []string{"one", "two"}})
		after(2 * time.Second)
		s.memory.mustBe(t, known{"a": []string{"one"}})
		if n := s.log.Count("level=WARN", "held answer accepted", "query=a"); n != 1 {
			t.Errorf("the end of grace is logged %d times, want once", n)
		}
		asks := len(a.asks())
		after(10 * time.Minute)
		if n := len(a.asks()) - asks; n > 11 {
			t.Errorf("asked %d times in ten quiet minutes, want about once a minute", n)
		}
	})
}
